package web

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// maxConns is how many connections a server has at once.
const maxConns = 5_000

// Server returns a server for a handler, with limits for what others may take of it: time
// for the head of a request and for all of it, idle time, and the number of connections.
// When there are too many, one that does nothing is closed for each new one.
func Server(h http.Handler) *http.Server { return server(h, maxConns) }

func server(h http.Handler, most int) *http.Server {
	c := &conns{most: most, idle: make(map[net.Conn]bool)}
	closing := make(chan struct{})
	srv := &http.Server{
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), closingKey{}, closing)
		},
		Handler:           h,
		ReadHeaderTimeout: headTime,
		ReadTimeout:       readTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ConnState:         c.changed,
	}
	srv.RegisterOnShutdown(sync.OnceFunc(func() { close(closing) }))
	return srv
}

// closingKey is of the channel that is closed when the server is told to shut down: what
// streams would keep it waiting for ever.
type closingKey struct{}

func closing(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(closingKey{}).(chan struct{})
	return c
}

// conns counts connections.
type conns struct {
	most int

	mu   sync.Mutex
	n    int
	idle map[net.Conn]bool // at rest, or without a request yet
}

func (c *conns) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.n++; c.n > c.most {
			victim := conn
			for other := range c.idle { // any
				victim = other
				break
			}
			delete(c.idle, victim)
			_ = victim.Close() // whoever serves it learns of it
			if victim == conn {
				return
			}
		}
		c.idle[conn] = true
	case http.StateIdle:
		c.idle[conn] = true
	case http.StateActive:
		delete(c.idle, conn)
	case http.StateClosed, http.StateHijacked:
		delete(c.idle, conn)
		c.n--
	}
}
