//go:build unix

package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"flow/futures"
	"flow/internal/wire"
)

// Registry is the functions that a program offers to process pools of itself (Self). The
// zero value is ready. It is safe for concurrent use and must not be copied.
type Registry struct {
	mu        sync.RWMutex
	functions map[string]registered
}

// registered is a function without its types: it decodes its argument itself.
type registered func(ctx context.Context, decode func(any) error) (any, error)

// Register offers fn under a name. A name that is empty or taken is an error.
func Register[In, Out any](r *Registry, name string, fn func(context.Context, In) (Out, error)) error {
	switch {
	case r == nil:
		return errors.New("executor: Register: nil registry")
	case name == "":
		return errors.New("executor: Register: no name")
	case fn == nil:
		return fmt.Errorf("executor: Register(%q): %w", name, errNilFunction)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.functions[name]; taken {
		return fmt.Errorf("executor: Register(%q): the name is taken", name)
	}
	if r.functions == nil {
		r.functions = make(map[string]registered)
	}
	r.functions[name] = func(ctx context.Context, decode func(any) error) (any, error) {
		var in In
		if err := decode(&in); err != nil {
			return nil, fmt.Errorf("the argument of %s %w", name, err)
		}
		return fn(ctx, in)
	}
	return nil
}

// Has reports whether a function has that name.
func (r *Registry) Has(name string) bool {
	_, ok := r.find(name)
	return ok
}

func (r *Registry) find(name string) (registered, bool) {
	if r == nil {
		return nil, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	fn, ok := r.functions[name]
	return fn, ok
}

// Call calls a function in this process, on the caller's goroutine. in is given to it as
// if it had been sent to a worker, so it need not have the function's type; the result
// comes back as it is.
func (r *Registry) Call(ctx context.Context, name string, in any) (any, error) {
	fn, ok := r.find(name)
	if !ok {
		return nil, fmt.Errorf("executor: no function %q is registered", name)
	}
	blobs, err := wire.Encode(in, false)
	if err != nil {
		return nil, newEncodeError(err)
	}
	return fn(ctx, func(out any) error { return wire.Decode(blobs, out) })
}

// Main turns this process into a worker if a pool with Self has started it as one, and
// then never returns. Otherwise it does nothing. It is to be the first line of main, with
// all functions registered; the worker's standard input is empty.
func Main(r *Registry) {
	if os.Getenv(wire.Marker) == "" {
		return
	}
	os.Unsetenv(wire.Marker) // what a task starts is no worker
	os.Exit(serve(r, os.NewFile(wire.ReadFD, "calls"), os.NewFile(wire.WriteFD, "answers")))
}

// server is a worker's side of the protocol.
type server struct {
	registry *Registry
	to       *os.File

	mu        sync.Mutex
	current   uint64 // the call at work
	cancel    context.CancelFunc
	cancelled uint64 // a call that is not wanted any more, and may not have begun
}

func serve(r *Registry, from, to *os.File) (exit int) {
	syscall.CloseOnExec(wire.ReadFD)
	syscall.CloseOnExec(wire.WriteFD)
	s := &server{registry: r, to: to}
	hello := wire.Header{Type: wire.Hello, Protocol: wire.Protocol, Lang: "go", Version: runtime.Version(), Cancels: true}
	if wire.Write(to, hello, nil) != nil {
		return 1
	}
	calls := make(chan *wire.Frame)
	go func() {
		defer close(calls)
		frames := wire.NewReader(from)
		for {
			f, err := frames.Next()
			if err != nil {
				return
			}
			if f.Type == wire.Cancel {
				s.cancelCall(f.ID)
				continue
			}
			calls <- f
		}
	}()
	for f := range calls {
		h, blobs := s.answer(f)
		err := wire.Write(to, h, blobs)
		if unsent, ok := errors.AsType[*wire.UnsentError](err); ok {
			err = wire.Write(to, wire.Header{Type: wire.Failed, ID: f.ID, Error: describe(asResult(unsent))}, nil)
		}
		if err != nil {
			return 1
		}
	}
	return 0
}

func (s *server) cancelCall(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = id
	if s.current == id && s.cancel != nil {
		s.cancel()
	}
}

func (s *server) answer(f *wire.Frame) (wire.Header, [][]byte) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer setenv(f.Env)()
	s.mu.Lock()
	s.current, s.cancel = f.ID, cancel
	if s.cancelled == f.ID && f.Type == wire.Call {
		cancel()
	}
	s.mu.Unlock()
	if f.Type == wire.Init {
		if err := s.prepare(ctx, f); err != nil {
			return wire.Header{Type: wire.Failed, Error: describe(err)}, nil
		}
		return wire.Header{Type: wire.Ready}, nil
	}
	if f.Items > 0 {
		return s.each(ctx, f)
	}
	v, err := s.call(ctx, f, func(out any) error { return wire.Decode(f.Blobs, out) })
	var blobs [][]byte
	if err == nil {
		blobs, err = wire.Encode(v, f.Plain)
		err = asResult(err)
	}
	if err != nil {
		return wire.Header{Type: wire.Failed, ID: f.ID, Error: describe(err)}, nil
	}
	return wire.Header{Type: wire.Result, ID: f.ID}, blobs
}

// setenv sets variables, until undo.
func setenv(variables map[string]string) (undo func()) {
	type was struct {
		value string
		set   bool
	}
	before := make(map[string]was, len(variables))
	for name, value := range variables {
		old, set := os.LookupEnv(name)
		before[name] = was{old, set}
		_ = os.Setenv(name, value) // a name that can't be is nobody's
	}
	return func() {
		for name, old := range before {
			if old.set {
				_ = os.Setenv(name, old.value)
			} else {
				_ = os.Unsetenv(name)
			}
		}
	}
}

// asResult words the error of a result that can't be sent.
func asResult(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the result %w", err)
}

func (s *server) prepare(ctx context.Context, f *wire.Frame) error {
	if len(f.Preload) > 0 {
		return errors.New("a Go program has no modules to preload")
	}
	if f.Function == "" {
		return nil
	}
	elements, err := wire.Elements(f.Blobs)
	if err != nil {
		return err
	}
	if len(elements) > 1 {
		return fmt.Errorf("%s has one argument, not %d", f.Function, len(elements))
	}
	_, err = s.call(ctx, f, func(out any) error {
		if len(elements) == 0 {
			return nil // its zero value
		}
		return wire.DecodeElement(elements[0], f.Blobs, out)
	})
	return err
}

// each answers a call with items.
func (s *server) each(ctx context.Context, f *wire.Frame) (wire.Header, [][]byte) {
	h := wire.Header{Type: wire.Results, ID: f.ID}
	elements, err := wire.Elements(f.Blobs)
	if err != nil {
		return wire.Header{Type: wire.Failed, ID: f.ID, Error: describe(err)}, nil
	}
	list := wire.Encoder{Plain: f.Plain}
	for i, element := range elements {
		v, err := s.call(ctx, f, func(out any) error { return wire.DecodeElement(element, f.Blobs, out) })
		if err == nil {
			err = asResult(list.Add(v))
		}
		if err != nil {
			_ = list.Add(nil) // null can be encoded
			e := describe(err)
			e.Item = i
			h.Errors = append(h.Errors, *e)
		}
	}
	return h, list.List()
}

// call calls a function on a goroutine of its own, which it may end as it likes.
func (s *server) call(ctx context.Context, f *wire.Frame, decode func(any) error) (v any, err error) {
	fn, ok := s.registry.find(f.Function)
	if !ok {
		return nil, fmt.Errorf("no function %q is registered", f.Function)
	}
	ended := make(chan struct{})
	err = futures.ErrGoexit
	go func() {
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				err = &futures.PanicError{Value: p, Stack: debug.Stack()}
			}
		}()
		v, err = fn(ctx, decode)
	}()
	<-ended
	return v, err
}

// describe is an error as it travels.
func describe(err error) *wire.Error {
	e := &wire.Error{Type: typeName(err), Message: sendable(err.Error())}
	if p, ok := errors.AsType[*futures.PanicError](err); ok {
		e.Traceback = sendable(string(p.Stack))
	}
	return e
}

// maxText bounds the texts of an error.
const maxText = 1 << 18

// sendable is a text that can be sent, without its middle if it is too long.
func sendable(s string) string {
	if len(s) > maxText {
		s = s[:maxText/2] + " … " + s[len(s)-maxText/2:]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// typeName is the bare name of an error's type: of the first in its chain that is more
// than a text.
func typeName(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		t := reflect.TypeOf(e)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if name := t.Name(); name != "" && name != "errorString" && name != "wrapError" && name != "joinError" {
			return name
		}
	}
	return "error"
}
