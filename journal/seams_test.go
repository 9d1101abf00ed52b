package journal

// RollAtOnce makes one transaction count few entries, so that a small test has
// many of them.
func (j *Journal) RollAtOnce(forward, back int64) { j.rollAtOnce = rollSizes{forward, back} }
