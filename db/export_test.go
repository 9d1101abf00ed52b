package db

import "context"

// MigrateTo stops at a version, as an older noren left its database.
func (d *DB) MigrateTo(ctx context.Context, version int64) error { return d.migrate(ctx, version) }
