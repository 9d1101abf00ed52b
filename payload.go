package noren

// Payload is what an event of one kind carries. Fields marked personal are
// listed in docs/operate/privacy.md; the whole payload is sealed in the journal
// whether marked or not.
type Payload interface{ payload() }

// Request is one HTTP request as the gateway read it.
type Request struct {
	Method    string `json:"method,omitempty"`
	Host      string `json:"host,omitempty"`
	Path      string `json:"path,omitempty" personal:"page visited"`
	Query     string `json:"query,omitempty" personal:"search words, form values"`
	UserAgent string `json:"user_agent,omitempty" personal:"browser"`
	Referer   string `json:"referer,omitempty" personal:"page visited before"`
	Protocol  string `json:"protocol,omitempty"`
	Length    int64  `json:"length,omitempty"` // body bytes; -1 when unknown
	Score     int    `json:"score,omitempty"`  // WAF anomaly score; 0 is clean
	Hits      []Hit  `json:"hits,omitempty"`   // WAF rules that matched
	Passed    bool   `json:"passed,omitempty"` // the visitor holds a pass of the check
	// AccessShadow is the access rule in shadow that would have kept the visitor out.
	AccessShadow string `json:"access_shadow,omitempty"`
	Probe        Probe  `json:"probe,omitempty"` // what the address alone gives away: scan, exploit, web_shell
	// Answered is the status the shop's web server answered with, when the
	// request is known from its log; the gateway decides before there is one.
	Answered int    `json:"answered,omitempty"`
	Source   string `json:"source,omitempty"` // "log" for a line of a web server's log, "" for the gateway
}

// Hit is one WAF rule that matched.
type Hit struct {
	Rule  int    `json:"rule"`
	Field string `json:"field,omitempty"` // e.g. ARGS:q
	Value string `json:"value,omitempty" personal:"form value, redacted by type"`
	Msg   string `json:"msg,omitempty"`
	Score int    `json:"score,omitempty"`
}

// MaxOwnRule is the highest number of a firewall rule that a shop adds itself: 1
// to 99,999 is the range that ModSecurity's manual reserves for local use. From
// 100,000 on stand the rules of Noren and the Core Rule Set.
const MaxOwnRule = 99_999

// Cause says what stopped a request at the gateway.
type Cause string

// Causes of a stop, also the public rule id of the journal entry.
const (
	CauseBan       Cause = "ban"
	CauseLimit     Cause = "limit"
	CauseForbidden Cause = "must_be_403"
	CauseWAF       Cause = "waf"
	CausePolicy    Cause = "policy"
	CauseMalformed Cause = "malformed"
	CauseOverload  Cause = "overload"
	CauseDoor      Cause = "door"
	// CauseChallenge asked the visitor to pass a check first; it accuses nobody.
	CauseChallenge Cause = "challenge"
	CauseQueue     Cause = "queue"  // waits in the line of the busy mode
	CauseClosed    Cause = "closed" // the shop is switched to its standby page
	// CauseEmergency asked for what is stopped for a while; it accuses nobody.
	CauseEmergency Cause = "emergency"
	// CauseAccess came from a place that may not enter; it accuses nobody.
	CauseAccess Cause = "access"
)

// Blocked is a request that was stopped before the shop saw it.
type Blocked struct {
	Request
	Cause  Cause  `json:"cause"`
	Rule   string `json:"rule,omitempty"` // limit name, ban id, top WAF rule, policy
	Status int    `json:"status,omitempty"`
	Ticket string `json:"ticket,omitempty"` // printed on the page the visitor saw
	// Of a limit: which of its answers was given (line, check, wait, block, ban),
	// and whose requests it counted (address, net, session, pass …).
	Step string `json:"step,omitempty"`
	By   string `json:"by,omitempty"`
}

// TLSProbing is a connection that was cut off because it tried a weakness of TLS. No
// visitor's browser does that.
type TLSProbing struct {
	Probe string `json:"probe"` // heartbleed, heartbeat, sslv2
}

// Login is a customer's sign-in before the shop sees it. The password never
// leaves the request.
type Login struct {
	User string `json:"user,omitempty" personal:"account name or mail"`
}

// LoginResult is the shop's answer to a sign-in.
type LoginResult struct {
	User    string `json:"user,omitempty" personal:"account name or mail"`
	Success bool   `json:"success"`
	Cause   string `json:"cause,omitempty"` // wrong_password, unknown_user, locked; "" when the shop does not tell
}

// AccountChange is a change of account data.
type AccountChange struct {
	Fields []string `json:"fields,omitempty"` // names of what changed: mail, password, address
}

// Item is one line of an order.
type Item struct {
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
	Price    Money  `json:"price"`
}

// Order is an order as the shop or a mall reports it.
type Order struct {
	Number   string `json:"number" personal:"order number"`
	Total    Money  `json:"total"`
	Items    []Item `json:"items,omitempty"`
	Method   string `json:"method,omitempty"` // card, konbini, cod, bank, …
	Receiver *Party `json:"receiver,omitempty"`
	Buyer    *Party `json:"buyer,omitempty"`
	Note     string `json:"note,omitempty" personal:"message to the shop"`
}

// Party is a buyer or receiver, kept as given.
type Party struct {
	Name       string `json:"name,omitempty" personal:"name"`
	Kana       string `json:"kana,omitempty" personal:"name in kana"`
	Postal     string `json:"postal,omitempty" personal:"postal code"`
	Prefecture string `json:"prefecture,omitempty" personal:"prefecture"`
	Address    string `json:"address,omitempty" personal:"address"`
	Phone      string `json:"phone,omitempty" personal:"phone"`
	Mail       string `json:"mail,omitempty" personal:"mail"`
}

// Payment is a payment before the PSP sees it. A card is known by the PSP's
// token or fingerprint (entity "card"), its BIN and last four digits, never by
// its number.
type Payment struct {
	Order  string `json:"order,omitempty"`
	Amount Money  `json:"amount"`
	Method string `json:"method,omitempty"`
	Last4  string `json:"last4,omitempty" personal:"last four digits of a card"`
}

// PaymentResult is the PSP's answer to a payment.
type PaymentResult struct {
	Order   string `json:"order,omitempty"`
	Amount  Money  `json:"amount"`
	Success bool   `json:"success"`
	Code    string `json:"code,omitempty"` // the PSP's reason, in its own words
}

// StaffSignIn is a person of the shop signing in.
type StaffSignIn struct {
	Success bool   `json:"success"`
	Factor  string `json:"factor,omitempty"` // password, totp, recovery, link, passkey, break_glass
	// Cause is why it failed: unknown, wrong_password, wrong_code, too_many, not_stored.
	Cause   string `json:"cause,omitempty"`
	Browser string `json:"browser,omitempty" personal:"browser"`
	Known   bool   `json:"known,omitempty"` // the person signed in with this browser before
}

// Operation is something a person of the shop did.
type Operation struct {
	Action  string `json:"action"`           // e.g. order.export
	Object  string `json:"object,omitempty"` // what it was done to
	Records int64  `json:"records,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// SettingsVersion is a new version of the settings.
type SettingsVersion struct {
	Version string   `json:"version"`
	Before  string   `json:"before,omitempty"`
	Author  string   `json:"author" personal:"person of the shop"`
	Reason  string   `json:"reason,omitempty"`
	Files   []string `json:"files,omitempty"`
}

// BanEntry is an entry of a list set or lifted: a ban, an allow-list entry, or an
// address whose visitors are asked for the check.
type BanEntry struct {
	List   string `json:"list"`                                 // ban, allow or check
	Op     string `json:"op"`                                   // set, lift, expire, confirm, or failed when a set could not be stored
	Prefix string `json:"prefix" personal:"address or network"` // address or network in CIDR notation; empty for a session's
	Until  Time   `json:"until,omitzero"`
	Author string `json:"author,omitempty" personal:"person of the shop"`
	Reason string `json:"reason,omitempty"`
	// ReasonJa is the same in Japanese.
	ReasonJa string `json:"reason_ja,omitempty"`
	Policy   string `json:"policy,omitempty"` // that set it
	// Repeat is how many bans before this one counted when its time was set.
	Repeat int64 `json:"repeat,omitempty"`
}

// SiteModeChange switches a site to a mode.
type SiteModeChange struct {
	Mode   string `json:"mode"`            // normal, busy, attack, closed
	Admit  int64  `json:"admit,omitempty"` // busy: new visitors a minute
	Until  Time   `json:"until,omitzero"`
	Author string `json:"author,omitempty" personal:"person of the shop"`
	Reason string `json:"reason,omitempty"`
}

// EmergencySwitch stops a part of a site, or lets it go on again.
type EmergencySwitch struct {
	Switch string `json:"switch"` // card, login, admin, overseas
	Op     string `json:"op"`     // on, off, or failed when it could not be stored
	Until  Time   `json:"until,omitzero"`
	Author string `json:"author,omitempty" personal:"person of the shop"`
	Reason string `json:"reason,omitempty"`
}

// PlaceEntry is a change of a named place.
type PlaceEntry struct {
	Name     string   `json:"name" personal:"name of a place"`
	Op       string   `json:"op"` // set, remove, expire, restore, confirm, or failed when it could not be stored
	Networks []string `json:"networks,omitempty" personal:"address or network"`
	Until    Time     `json:"until,omitzero"`
	Author   string   `json:"author,omitempty" personal:"person of the shop"`
	Reason   string   `json:"reason,omitempty"`
}

// AccessOpening is the access rules of zones opened by hand, or closed again.
type AccessOpening struct {
	Op     string `json:"op"` // open, end, expire, or failed when it could not be stored
	Zones  []Zone `json:"zones"`
	From   string `json:"from" personal:"address or network"` // "anywhere" for everybody
	Until  Time   `json:"until"`
	Author string `json:"author,omitempty" personal:"person of the shop"`
	Reason string `json:"reason,omitempty"`
}

// MailSignIn is a sign-in to the mail server, as its log tells it.
type MailSignIn struct {
	Protocol string `json:"protocol"` // smtp, imap, pop3, sieve
	User     string `json:"user,omitempty" personal:"mail account"`
	Success  bool   `json:"success"`
}

// MailRefusal is a message the mail server did not take for others.
type MailRefusal struct {
	From string `json:"from,omitempty" personal:"sender's mail address"`
	To   string `json:"to,omitempty" personal:"receiver's mail address"`
}

// CertificateState is what became of the certificate of one host.
type CertificateState struct {
	Host     string `json:"host"`
	State    string `json:"state"`            // in_use, expiring, expired, wrong, failed
	Source   string `json:"source,omitempty"` // acme, given
	NotAfter Time   `json:"not_after,omitzero"`
	Days     int64  `json:"days,omitempty"` // left when it was seen
	Grade    string `json:"grade,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// ClockJump is a step of the machine's clock of more than two seconds, or a
// difference between two nodes' clocks of more than one.
type ClockJump struct {
	StepMicros int64  `json:"step_micros"` // positive: forward, or Node ahead of Than
	Node       string `json:"node,omitempty"`
	Than       string `json:"than,omitempty"` // the other node; empty for a step
}

// ServerState is a server of the shop that changed between up, unwell (it is
// reached and does not answer as it should) and down (it cannot be reached).
type ServerState struct {
	Server string `json:"server"` // its address as the configuration names it
	State  string `json:"state"`
	Before string `json:"before"`
	Cause  string `json:"cause,omitempty"` // refused, timeout, reset, status_502, …
	Backup bool   `json:"backup,omitempty"`
	Up     int64  `json:"up"` // of the site's servers
	Of     int64  `json:"of"`
	Node   string `json:"node,omitempty"`
}

func (*Request) payload()          {}
func (*Blocked) payload()          {}
func (*TLSProbing) payload()       {}
func (*Login) payload()            {}
func (*LoginResult) payload()      {}
func (*AccountChange) payload()    {}
func (*Order) payload()            {}
func (*Payment) payload()          {}
func (*PaymentResult) payload()    {}
func (*StaffSignIn) payload()      {}
func (*Operation) payload()        {}
func (*SettingsVersion) payload()  {}
func (*BanEntry) payload()         {}
func (*SiteModeChange) payload()   {}
func (*EmergencySwitch) payload()  {}
func (*PlaceEntry) payload()       {}
func (*AccessOpening) payload()    {}
func (*MailSignIn) payload()       {}
func (*MailRefusal) payload()      {}
func (*ClockJump) payload()        {}
func (*ServerState) payload()      {}
func (*CertificateState) payload() {}
