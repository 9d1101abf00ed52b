package logs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"syscall"

	"noren"
)

const chunk = 64 << 10

// errLong is a line over MaxLine; it was left out.
var errLong = errors.New("line too long")

// tail reads the whole lines of a file that grows.
type tail struct {
	f     *os.File
	inode uint64
	at    int64  // of buf's first byte
	buf   []byte // read and not given out; at most MaxLine and one chunk
	skip  bool   // within a line that is too long, or that began before us
	eaten int64  // bytes of that line already let go
}

// openFile opens a log. Only regular files are followed: a pipe would hang, a
// device never ends.
func openFile(path string) (*tail, os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = noren.WithHint(noren.Errorf(noren.Invalid, "%s is no regular file", path),
			"Let the server write into a file; in a container, mount the directory of its logs.")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return &tail{f: f, inode: inodeOf(info)}, info, nil
}

func inodeOf(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// seek goes to the beginning of a line.
func (t *tail) seek(offset int64) { t.at, t.buf, t.skip, t.eaten = offset, t.buf[:0], false, 0 }

// seekEnd goes to the end. A line that is half written there belongs to before.
func (t *tail) seekEnd(size int64) {
	t.seek(size)
	var last [1]byte
	if size > 0 {
		if _, err := t.f.ReadAt(last[:], size-1); err != nil || last[0] != '\n' {
			t.skip = true
		}
	}
}

// position is where the next line begins: what is read again after a restart.
func (t *tail) position() int64 { return t.at - t.eaten }

// next returns the next whole line without its end; io.EOF when there is none
// yet. The line is valid until the next call.
func (t *tail) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(t.buf, '\n'); i >= 0 {
			return t.take(i, i+1)
		}
		if len(t.buf) > MaxLine {
			t.at, t.eaten, t.skip = t.at+int64(len(t.buf)), t.eaten+int64(len(t.buf)), true
			t.buf = t.buf[:0]
		}
		if err := t.fill(); err != nil {
			return nil, err
		}
	}
}

// rest returns what stands at the end of a file without a line end, when
// nothing will be written to it any more.
func (t *tail) rest() ([]byte, error) {
	if len(t.buf) == 0 && !t.skip {
		return nil, io.EOF
	}
	return t.take(len(t.buf), len(t.buf))
}

func (t *tail) take(end, next int) ([]byte, error) {
	line, skipped := t.buf[:end], t.skip
	t.at, t.buf, t.skip, t.eaten = t.at+int64(next), t.buf[next:], false, 0
	if skipped || len(line) > MaxLine {
		return nil, errLong
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}

func (t *tail) fill() error {
	if cap(t.buf)-len(t.buf) < chunk {
		grown := make([]byte, len(t.buf), len(t.buf)+2*chunk)
		copy(grown, t.buf)
		t.buf = grown
	}
	n, err := t.f.ReadAt(t.buf[len(t.buf):len(t.buf)+chunk], t.at+int64(len(t.buf)))
	t.buf = t.buf[:len(t.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

func (t *tail) close() { t.f.Close() }

// maxFingerprint is how much of a file's beginning tells it from others. A log's
// first line holds a time and an address.
const maxFingerprint = 1024

// fingerprint names a file by its first bytes: inodes are used again, and a log
// that was copied and cut keeps its own.
type fingerprint struct {
	sum string
	n   int64
}

// fingerprintOf takes the fingerprint of as much as is read of a file.
func (t *tail) fingerprintOf(read int64) (fingerprint, error) {
	n := min(read, maxFingerprint)
	b := make([]byte, n)
	if _, err := t.f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) || n == 0 {
		return fingerprint{}, err
	}
	sum := sha256.Sum256(b)
	return fingerprint{hex.EncodeToString(sum[:]), n}, nil
}

// fits reports whether the file begins like that.
func (t *tail) fits(p fingerprint) bool {
	info, err := t.f.Stat()
	if err != nil || info.Size() < p.n {
		return false
	}
	if p.n == 0 {
		return true
	}
	mine, err := t.fingerprintOf(p.n)
	return err == nil && mine == p
}
