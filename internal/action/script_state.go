package action

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// programs counts what a script of the shell inside flow has at work, so that
// nothing of it outlives the script. The zero value is ready for use.
type programs struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// enter reports whether a program may still be started; if so, leave is to be
// called when it has ended.
func (p *programs) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.group.Add(1)
	return true
}

func (p *programs) leave() { p.group.Done() }

// close lets no more in and waits for what is there.
func (p *programs) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.group.Wait()
}

// feed makes a file of the script's standard input, which a shell and its
// programs share: a pipe that a goroutine fills. done ends it, read or not, and
// waits for the goroutine. The interpreter would make such a pipe itself, but
// leave it and its goroutine behind where the script does not read all.
func feed(in io.Reader) (stdin *os.File, done func(), err error) {
	if in == nil {
		return nil, func() {}, nil
	}
	stdin, to, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	var filled sync.WaitGroup
	filled.Go(func() {
		_, _ = io.Copy(to, in) // nobody has to read it all
		to.Close()
	})
	return stdin, func() {
		stdin.Close()
		filled.Wait()
	}, nil
}

// handOver makes a file that blocks, as programs expect of their standard streams,
// of one that Go opened not to.
func handOver(streams ...any) {
	for _, s := range streams {
		if f, ok := s.(*os.File); ok && f != nil {
			f.Fd()
		}
	}
}

// missingStatus is the exit status for a program that is not to be found among the
// executable files: 126 where there is a file of that name, else 127, as of any
// shell.
func missingStatus(name, dir, path string) uint8 {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, folder := range filepath.SplitList(path) {
			candidates = append(candidates, filepath.Join(folder, name))
		}
	}
	for _, c := range candidates {
		if !filepath.IsAbs(c) {
			c = filepath.Join(dir, c)
		}
		if _, err := os.Stat(c); err == nil {
			return 126
		}
	}
	return 127
}
