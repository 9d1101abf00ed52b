package journal

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"strings"
)

// Bundle writes the proof of one entry as a ZIP to take away: the proof, the
// checkpoint it leads to, the key, and how to check it without this machine. What
// is sealed in the entry stays sealed.
func (j *Journal) Bundle(ctx context.Context, w io.Writer, log string, seq int64) error {
	p, err := j.Prove(ctx, log, seq, 0)
	if err != nil {
		return err
	}
	proof, err := p.JSON()
	if err != nil {
		return err
	}
	keys, err := j.verifierKeys(log)
	if err == nil {
		err = zipped(w, []packed{
			{"proof.json", proof}, {"checkpoint.txt", []byte(p.Checkpoint)}, {"key.txt", []byte(keys)}, {"README.txt", fmt.Appendf(nil, bundleText, seq, log, p.Size, seq, log, p.Size)},
		})
	}
	if err != nil {
		return fmt.Errorf("pack the proof of entry %d of log %s: %w", seq, log, err)
	}
	return nil
}

// verifierKeys are the keys, present and past, one a line.
func (j *Journal) verifierKeys(log string) (string, error) {
	keys, err := j.verifierTexts(log)
	return strings.Join(keys, "\n") + "\n", err
}

type packed struct {
	name string
	data []byte
}

func zipped(w io.Writer, files []packed) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		at, err := z.Create(f.name)
		if err != nil {
			return err
		}
		if _, err := at.Write(f.data); err != nil {
			return err
		}
	}
	return z.Close()
}

const bundleText = `記録の証明
==========
この証明は、記録の%d番（ログ %s）が、%d件まで署名されたときから変わっていないことを示します。
お店の機械がなくても、次のコマンドで確かめられます。

    noren journal check-proof proof.json --key "$(cat key.txt)"

proof.json は C2SP / RFC 6962 の形式に基づく証明、checkpoint.txt は署名されたチェックポイントです。
key.txt の鍵は、この証明とは別の道（電話・対面・以前の契約書など）で受け取ったものと同じか、必ず見比べてください。
記録の中の個人情報は、暗号化されたままです。

Proof of a record
=================
It shows that entry %d of log %s is as it was when the first %d entries were signed. Anybody can
check it without the shop's machine:

    noren journal check-proof proof.json --key "$(cat key.txt)"

Compare the key in key.txt with the one you were given by another way: a key that came with the proof
proves nothing by itself. What is personal in the entry stays encrypted.
`
