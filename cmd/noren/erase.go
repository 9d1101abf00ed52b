package main

import (
	"context"
	"fmt"
	"time"

	"noren"
	"noren/gateway"
)

// erased says what erasing a person did.
type erased struct {
	ID       string     `json:"id"`
	At       noren.Time `json:"at"`
	Keys     int64      `json:"keys_destroyed"`
	LogLines int        `json:"access_log_lines"`
}

// erase destroys a person's keys, deletes their rows everywhere and takes their
// lines out of the access log. A running noren notices within a few seconds.
func (in *instance) erase(ctx context.Context, site string, s noren.Subject, reason string) (erased, error) {
	done, err := in.vault.Erase(ctx, site, s, reason)
	if err != nil {
		return erased{}, err
	}
	in.tellErasure(ctx)
	out := erased{ID: done.ID, At: done.At, Keys: done.Keys}
	log, err := gateway.OpenAccessLog(in.accessOptions())
	if err != nil {
		return out, fmt.Errorf("the keys are destroyed, the access log is not cleaned: %w", err)
	}
	defer log.Close()
	if out.LogLines, err = log.Erase(ctx, site, s); err != nil {
		return out, fmt.Errorf("the keys are destroyed, the access log is not cleaned: %w", err)
	}
	return out, nil
}

// tellWithin is how long an erasure waits for shared state.
const tellWithin = 5 * time.Second

// tellErasure takes an erased person out of shared state, which no event of this
// process may do any more.
func (in *instance) tellErasure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if err := in.facts().Tell(ctx); err != nil {
		in.log.Warn("everything is erased but what shared state holds of the last minutes", "err", err,
			"hint", "it forgets somebody 15 minutes after they were last seen; to have it gone at once, empty it (valkey-cli FLUSHDB) once it is back: nothing is lost but the counts of limits")
	}
}

func (in *instance) accessOptions() gateway.AccessOptions {
	a := in.cfg.Access
	return gateway.AccessOptions{Dir: a.Dir, FileBytes: a.FileMiB << 20, TotalBytes: a.TotalMiB << 20, Log: in.log}
}
