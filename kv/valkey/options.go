package valkey

import (
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"noren"
)

// options reads redis://, rediss:// and unix:// addresses. More servers of a
// cluster follow as host:port after commas.
func options(address string) (*redis.UniversalOptions, error) {
	seed, more, _ := strings.Cut(address, ",")
	seed, cluster, err := cutCluster(seed)
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(seed)
	if err != nil {
		return nil, addressError()
	}
	u := &redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, ContextTimeoutEnabled: true,
		// Failover tries again by itself; here a retry only makes a visitor wait.
		MaxRetries: -1, DialerRetries: 1, MinIdleConns: 2,
		// Neither of these is known to Redis 7.0.
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for server := range strings.SplitSeq(more, ",") {
		if server = strings.TrimSpace(server); server != "" {
			u.Addrs = append(u.Addrs, server)
		}
	}
	u.IsClusterMode = cluster || len(u.Addrs) > 1
	if u.IsClusterMode && u.DB != 0 {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "a Valkey/Redis cluster has no database %d", u.DB), "leave the number out of the address")
	}
	return u, nil
}

// cutCluster takes cluster=true out of the address: the parser does not know it.
func cutCluster(address string) (rest string, cluster bool, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", false, addressError()
	}
	q := u.Query()
	switch q.Get("cluster") {
	case "true":
		cluster = true
	case "", "false":
	default:
		return "", false, addressError()
	}
	q.Del("cluster")
	u.RawQuery = q.Encode()
	return u.String(), cluster, nil
}

// addressError does not quote the address: it may hold a password.
func addressError() error {
	return noren.WithHint(noren.Errorf(noren.Invalid, "address of Valkey/Redis cannot be read"),
		"write redis://host:6379/0, rediss://user:password@host:6379/0 or rediss://host:6379?cluster=true")
}
