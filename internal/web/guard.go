package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Token lets whoever has it in. Its text is not kept, only its SHA-256.
type Token struct {
	Name     string // for people
	Hash     string // 64 hexadecimal digits
	ReadOnly bool
	Expires  time.Time // zero: never
}

// access says who may use a route.
type access uint8

const (
	open    access = iota // everybody
	reading               // with any token
	writing               // with a token that is not read-only
)

// guard decides who is let in.
type guard struct {
	tokens  []token
	names   map[string]bool // hosts, in lower case
	any     bool            // every address, and no name
	key     []byte          // of sessions: they end with the process
	now     func() time.Time
	failed  *limiter
	origins *http.CrossOriginProtection
}

type token struct {
	Token
	hash [sha256.Size]byte
}

func newGuard(o *Options, key []byte) (*guard, error) {
	g := &guard{key: key, now: o.Now, names: make(map[string]bool), failed: newLimiter(o.Now), origins: http.NewCrossOriginProtection()}
	for _, t := range o.Tokens {
		k := token{Token: t}
		if n, err := hex.Decode(k.hash[:], []byte(t.Hash)); err != nil || n != sha256.Size || len(t.Hash) != 2*sha256.Size {
			return nil, fmt.Errorf("web: token %s: its hash is not a SHA-256 in hexadecimal digits", t.Name)
		}
		g.tokens = append(g.tokens, k)
	}
	for _, h := range append([]string{"localhost", "127.0.0.1", "::1"}, o.Hosts...) {
		h = strings.ToLower(strings.Trim(h, "[]"))
		if a, err := netip.ParseAddr(h); err == nil && a.IsUnspecified() {
			g.any = true
		}
		g.names[strings.TrimSuffix(h, ".")] = true
	}
	return g, nil
}

// known reports whether a request's Host is a name of this site. Another name is that of
// a page which has made its own name point here (DNS rebinding).
func (g *guard) known(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if g.names[host] {
		return true
	}
	_, err := netip.ParseAddr(host)
	return g.any && err == nil
}

// headers are those of every response.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	// Nothing to others. With no-referrer, browsers would hide the Origin of our own forms
	// as well, which is all that tells them from another site's where there is no TLS.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// maxBody is how long a request's body may be.
const maxBody = 1 << 20

// The times that a request may take.
const (
	headTime  = 10 * time.Second
	readTime  = 30 * time.Second
	writeTime = time.Minute
	idleTime  = time.Minute
)

// wrap is what every request goes through.
func (s *site) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // not there in tests without a connection
		if !s.guard.known(r.Host) {
			s.fail(w, r, &statusError{http.StatusMisdirectedRequest, "this is not the name of this site", "name it with flow serve --host"})
			return
		}
		if o := r.Header.Get("Origin"); o != "" && !sameOrigin(o, r.Host) {
			s.fail(w, r, &statusError{http.StatusForbidden, "the request comes from a page of another site", ""})
			return
		}
		if err := s.guard.origins.Check(r); err != nil {
			s.fail(w, r, &statusError{http.StatusForbidden, "the request comes from a page of another site", ""})
			return
		}
		if r.ContentLength > maxBody {
			w.Header().Set("Connection", "close")
			s.fail(w, r, &http.MaxBytesError{Limit: maxBody})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func sameOrigin(origin, host string) bool {
	_, name, found := strings.Cut(origin, "://")
	return found && strings.EqualFold(name, host)
}

// who is allowed to do what.
type who struct {
	Name  string
	Write bool
	Asked bool // tokens are asked for here
}

// errLimited says that too many tokens were wrong.
var errLimited = &statusError{http.StatusTooManyRequests, "too many wrong tokens from this address", "wait a minute"}

// caller says who a request is from; nil: nobody who is known. The error is errLimited.
func (g *guard) caller(r *http.Request) (*who, error) {
	if len(g.tokens) == 0 {
		return &who{Write: true}, nil
	}
	if c, err := r.Cookie(cookieName); err == nil {
		if t := g.session(c.Value); t != nil {
			return &who{t.Name, !t.ReadOnly, true}, nil
		}
	}
	text, found := bearer(r)
	if !found {
		return nil, nil
	}
	t, err := g.check(text, r.RemoteAddr)
	if t == nil {
		return nil, err
	}
	return &who{t.Name, !t.ReadOnly, true}, nil
}

func bearer(r *http.Request) (string, bool) {
	scheme, text, found := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(text), found && strings.EqualFold(scheme, "Bearer")
}

// check looks a token up; nil: it is not one, or has expired. All are compared, so that
// time tells nothing. A right one is let in whatever others have sent from that address:
// many may be behind one. The error is errLimited, of wrong ones only.
func (g *guard) check(text, address string) (*token, error) {
	sum, found := sha256.Sum256([]byte(text)), -1
	for k := range g.tokens {
		if subtle.ConstantTimeCompare(sum[:], g.tokens[k].hash[:]) == 1 {
			found = k
		}
	}
	if found >= 0 && !g.expired(&g.tokens[found]) {
		return &g.tokens[found], nil
	}
	if !g.failed.may(address) {
		return nil, errLimited
	}
	g.failed.count(address)
	return nil, nil
}

func (g *guard) expired(t *token) bool { return !t.Expires.IsZero() && !g.now().Before(t.Expires) }

// A session is a token's number and the end of the session, with a MAC: nothing is kept
// of it here.
const (
	cookieName  = "flow_session"
	sessionTime = 12 * time.Hour
)

func (g *guard) newSession(t *token) (value string, until time.Time) {
	until = g.now().Add(sessionTime)
	if !t.Expires.IsZero() && t.Expires.Before(until) {
		until = t.Expires
	}
	what := hex.EncodeToString(t.hash[:8]) + "." + strconv.FormatInt(until.Unix(), 10)
	return what + "." + g.mac(what), until
}

func (g *guard) mac(what string) string {
	m := hmac.New(sha256.New, g.key)
	m.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (g *guard) session(value string) *token {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 || !hmac.Equal([]byte(value[cut+1:]), []byte(g.mac(value[:cut]))) {
		return nil
	}
	id, end, _ := strings.Cut(value[:cut], ".")
	until, err := strconv.ParseInt(end, 10, 64)
	if err != nil || g.now().Unix() >= until {
		return nil
	}
	for k := range g.tokens {
		if t := &g.tokens[k]; hex.EncodeToString(t.hash[:8]) == id && !g.expired(t) {
			return t
		}
	}
	return nil
}

// limiter bounds how many wrong tokens an address may send: a few at once, then one every
// some seconds.
type limiter struct {
	now func() time.Time

	mu   sync.Mutex
	full map[string]time.Time // by network: when nothing of it is left to wait for
}

const (
	failures  = 10
	penalty   = 6 * time.Second
	maxLimits = 10_000
)

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, full: make(map[string]time.Time)}
}

// network is an address without its port; of IPv6, what one customer has.
func network(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	ip := a.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

func (l *limiter) may(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full[network(address)].Sub(l.now()) <= (failures-1)*penalty
}

func (l *limiter) count(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, who := l.now(), network(address)
	if _, known := l.full[who]; !known && len(l.full) >= maxLimits {
		for k, t := range l.full {
			if !t.After(now) {
				delete(l.full, k)
			}
		}
		for k := range l.full { // nothing has passed: any one goes
			if len(l.full) < maxLimits {
				break
			}
			delete(l.full, k)
		}
	}
	until := l.full[who]
	if until.Before(now) {
		until = now
	}
	l.full[who] = until.Add(penalty)
}
