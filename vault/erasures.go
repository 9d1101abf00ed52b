package vault

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"noren"
)

const maxErasureLine = 4 << 10

// erasuresFile is the list of erasures outside the database: JSON Lines, one
// erasure each, appended by this node and by commands on the same machine.
type erasuresFile struct {
	path string
	mu   sync.Mutex
}

// erasureLine is one line. Key is the id of the search key that made the
// subject's token: under another one the token means nobody.
type erasureLine struct {
	Version int    `json:"v"`
	Key     string `json:"key"`
	Erasure
}

// append writes erasures and returns when they are durable, the file's name
// included. What a crash left of a line before is cut off first.
func (f *erasuresFile) append(key string, list ...Erasure) error {
	if f.path == "" {
		return noren.WithHint(noren.Errorf(noren.Invalid, "no erasures file is configured"),
			"Name one outside the database's directory and its backups; without it a restored backup brings erased people back.")
	}
	var text bytes.Buffer
	for _, e := range list {
		line, err := json.Marshal(erasureLine{Version: 1, Key: key, Erasure: e})
		if err != nil {
			return fmt.Errorf("write erasure: %w", err)
		}
		text.Write(append(line, '\n'))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.write(text.String()); err != nil {
		return noren.WithHint(fmt.Errorf("write erasures file %s: %w", f.path, err),
			"Nothing was erased. Check the disk and the file's owner and try again.")
	}
	return nil
}

func (f *erasuresFile) write(text string) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// A command may append at the same moment; closing gives the lock back.
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	if err == nil {
		err = cutTornLine(file)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if err := writeSynced(file, text); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

// cutTornLine removes the bytes after the last line end. They are of an erasure
// that was never begun, because the file comes first.
func cutTornLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tail := make([]byte, min(size, 2*maxErasureLine))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end == len(tail) {
		return nil
	}
	if end == 0 && size > int64(len(tail)) {
		return noren.Errorf(noren.Tampered, "it ends in %d bytes that are not a line", len(tail))
	}
	return file.Truncate(size - int64(len(tail)-end))
}

// read returns the whole erasures of the file. A torn last line is not one. A
// damaged line is reported with its number, after the good ones.
func (f *erasuresFile) read() ([]erasureLine, error) {
	if f.path == "" {
		return nil, nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read erasures file: %w", err)
	}
	defer file.Close()
	list, err := readErasures(file)
	if err != nil {
		err = noren.WithHint(fmt.Errorf("read erasures file %s: %w", f.path, err),
			"The other lines were applied. Put the line right from another copy of the file, or delete it if there is none.")
	}
	return list, err
}

func readErasures(r io.Reader) ([]erasureLine, error) {
	var list []erasureLine
	var faults []error
	in := bufio.NewReaderSize(r, maxErasureLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return list, errors.Join(faults...)
		}
		if err == nil {
			var e erasureLine
			if e, err = parseErasureLine(line); err == nil {
				list = append(list, e)
			}
		} else if err == bufio.ErrBufferFull {
			err = noren.Errorf(noren.Tampered, "longer than %d bytes", maxErasureLine)
			if skipped := skipLine(in); skipped != nil {
				return list, errors.Join(append(faults, skipped)...)
			}
		} else {
			return list, errors.Join(append(faults, err)...)
		}
		if err != nil && len(faults) < 20 {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		}
	}
}

func skipLine(in *bufio.Reader) error {
	for {
		_, err := in.ReadSlice('\n')
		if err == nil || err == io.EOF {
			return nil
		}
		if err != bufio.ErrBufferFull {
			return err
		}
	}
}

func parseErasureLine(line []byte) (erasureLine, error) {
	var e erasureLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, noren.Errorf(noren.Tampered, "%w", err)
	}
	_, trailing := d.Token()
	wrong := trailing != io.EOF || e.Version != 1 || !validID(e.ID) || !validID(e.Key) ||
		len(e.Subject) != len(token16{}) || e.Site != "" && !noren.ValidName(e.Site) ||
		e.At.IsZero() || len(e.Reason) > MaxReason || strings.ContainsRune(e.Reason, 0)
	if wrong {
		return e, noren.Errorf(noren.Tampered, "it is not an erasure")
	}
	return e, nil
}
