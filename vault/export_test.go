package vault

import "time"

// BePatient lets calls wait for other nodes' news for as long as it takes, so
// that tests do not depend on how busy the machine is.
func (v *Vault) BePatient(d time.Duration) { v.watch.wait, v.watch.limit = d, d }
