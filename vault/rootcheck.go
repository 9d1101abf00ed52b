package vault

import (
	"context"

	"noren/db"
)

// FitsRoot reports whether a root key is the one that wrapped the keys of a
// database; it changes nothing. A database without keys fits every root key.
func FitsRoot(ctx context.Context, d *db.DB, root KEK) error {
	state, err := loadState(ctx, d.Read())
	if db.IsNoTable(err) {
		return nil // not migrated yet: a new one
	}
	if err != nil {
		return readError("read the vault's state", err)
	}
	return newVault(Options{DB: d, Root: root}).checkRoot(state[stateRoot])
}

// IsNew reports whether a database holds no keys yet.
func IsNew(ctx context.Context, d *db.DB) bool {
	state, err := loadState(ctx, d.Read())
	return db.IsNoTable(err) || err == nil && state[stateRoot] == ""
}

// SealedSites lists the sites for which anything was ever sealed and not
// destroyed since; "" is the instance.
func (v *Vault) SealedSites(ctx context.Context) ([]string, error) {
	rows, err := v.db.Read().QueryContext(ctx, `SELECT DISTINCT site FROM vault_subject_keys ORDER BY site`)
	if err != nil {
		return nil, readError("read keys", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var site string
		if err := rows.Scan(&site); err != nil {
			return nil, readError("read keys", err)
		}
		out = append(out, site)
	}
	return out, rows.Err()
}
