package db

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// arrays turns rows into one array per column, for PostgreSQL's unnest: one
// statement, planned once, of a few parameters for any number of rows. types is
// the element type of each; nil when a column mixes types or has no value.
func arrays(rows []Row) (args []any, types []string) {
	for col := range rows[0].Values {
		arg, elem := column(rows, col)
		if arg == nil {
			return nil, nil
		}
		args, types = append(args, arg), append(types, elem)
	}
	return args, types
}

func column(rows []Row, col int) (any, string) {
	for _, r := range rows {
		v, _ := driver.DefaultParameterConverter.ConvertValue(r.Values[col])
		switch v.(type) {
		case nil:
			continue
		case string:
			return array[string](rows, col), "text"
		case int64:
			return array[int64](rows, col), "bigint"
		case []byte:
			return array[[]byte](rows, col), "bytea"
		case bool:
			return array[bool](rows, col), "boolean"
		case float64:
			return array[float64](rows, col), "double precision"
		}
		return nil, ""
	}
	return nil, ""
}

// array is a []T, or a []*T when a value is missing; nil when one is no T.
func array[T any](rows []Row, col int) any {
	all := make([]T, len(rows))
	var some []*T
	for i, r := range rows {
		v, err := driver.DefaultParameterConverter.ConvertValue(r.Values[col])
		t, ok := v.(T)
		switch {
		case err != nil || !ok && v != nil:
			return nil
		case v == nil && some == nil:
			some = make([]*T, len(rows))
			for j := range i {
				some[j] = &all[j]
			}
		case ok:
			all[i] = t
			if some != nil {
				some[i] = &all[i]
			}
		}
	}
	if some != nil {
		return some
	}
	return all
}

// unnest is INSERT INTO t (a, b) SELECT * FROM unnest($1::text[], $2::bigint[]).
func (t *Table) unnest(types []string) string {
	params := make([]string, len(types))
	for i, elem := range types {
		params[i] = fmt.Sprintf("$%d::%s[]", i+1, elem)
	}
	return t.insertInto() + " SELECT * FROM unnest(" + strings.Join(params, ", ") + ")" + t.onConflict()
}
