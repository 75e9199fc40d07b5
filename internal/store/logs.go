package store

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A log is what one attempt printed, in one file: the line "flow-log 1", then a record a
// line: the Unix milliseconds at which it came, o or e for standard output or error, "."
// where the line is whole and "+" where it goes on in the next record of that stream, a
// blank, and the text. Above MaxLog the middle is left out: what follows the first half
// goes to two files more by turns, so that the end is kept without writing any of it
// twice.
const logHead = "flow-log 1\n"

// MaxLog is how much of an attempt's log is kept, in bytes, about: the first half of it,
// and the last.
const MaxLog = 16 << 20

// LogOf names the log of an attempt.
type LogOf struct {
	Run, Task string
	Instance  int // -1: the task is no fan-out
	Attempt   int
}

func (l LogOf) name() string {
	instance := "-"
	if l.Instance >= 0 {
		instance = strconv.Itoa(l.Instance)
	}
	return path.Join(logsDir, l.Run, fmt.Sprintf("%s.%s.%d", l.Task, instance, l.Attempt))
}

// Log writes an attempt's log. Its two streams may be written at the same time. A file
// is made once something is printed.
type Log struct {
	store *Store
	name  string
	// Failed, if not nil, is told at once that the log can't be written.
	Failed func(error)
	now    func() time.Time
	most   int64

	mu      sync.Mutex
	file    io.WriteCloser
	written int64 // to file
	part    int   // 0: the head; then 1, 2, 3, …: of the tail
	err     error
}

// Log returns the log of an attempt that is about to begin.
func (s *Store) Log(of LogOf) *Log {
	return &Log{store: s, name: of.name(), now: time.Now, most: s.maxLog}
}

// stream is one stream of a log.
type stream struct {
	log *Log
	tag byte
}

// Stdout takes standard output. Its Write never fails: see Close.
func (l *Log) Stdout() io.Writer { return stream{l, 'o'} }

// Stderr takes standard error.
func (l *Log) Stderr() io.Writer { return stream{l, 'e'} }

func (s stream) Write(p []byte) (int, error) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := strconv.AppendInt(nil, l.now().UnixMilli(), 10)
	var b []byte
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		state := byte('+')
		if ended {
			state = '.'
		}
		b = append(append(append(b, stamp...), ' ', s.tag, state, ' '), line...)
		b = append(b, '\n')
		rest = after
	}
	before := l.err
	l.append(b)
	if l.err != nil && before == nil && l.Failed != nil {
		l.Failed(l.failure())
	}
	return len(p), nil
}

func (l *Log) failure() error { return fmt.Errorf("store: log %s: %w", l.name, l.err) }

// append writes records, which stay together.
func (l *Log) append(b []byte) {
	if l.err != nil {
		return
	}
	for len(b) > 0 {
		room := l.most/2 - l.written
		if l.part > 0 {
			room = l.most/4 - l.written
		}
		if room <= 0 {
			l.turn()
			continue
		}
		chunk := b
		if int64(len(chunk)) > room {
			// Whole records, and at least one.
			end := bytes.LastIndexByte(chunk[:room], '\n')
			if end < 0 {
				end = bytes.IndexByte(chunk, '\n')
			}
			chunk = chunk[:end+1]
		}
		if l.err = l.open(); l.err != nil {
			return
		}
		var n int
		n, l.err = l.file.Write(chunk)
		l.written += int64(n)
		if l.err != nil {
			return
		}
		b = b[len(chunk):]
	}
}

func (l *Log) open() (err error) {
	if l.file != nil {
		return nil
	}
	if l.file, err = l.store.files.append(l.partName(l.part)); err != nil {
		return err
	}
	if l.part == 0 {
		_, err = io.WriteString(l.file, logHead)
	}
	return err
}

// partName is where a part of the log stands. The number is in it: the two that are left
// at the end tell how many there were.
func (l *Log) partName(part int) string {
	if part == 0 {
		return l.name
	}
	return fmt.Sprintf("%s.tail-%d", l.name, part)
}

// turn begins the next part, and drops the one that is two before it.
func (l *Log) turn() {
	if l.file != nil {
		l.err = l.file.Close()
		l.file = nil
	}
	if l.part > 1 {
		if err := l.store.files.remove(l.partName(l.part - 1)); err != nil && l.err == nil {
			l.err = err
		}
	}
	l.part++
	l.written = 0
}

// Close ends the log and returns what went wrong with it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		if err := l.file.Close(); l.err == nil {
			l.err = err
		}
		l.file = nil
	}
	if l.err != nil {
		return l.failure()
	}
	return nil
}

// Line is a line of a log, or as much of it as came at once.
type Line struct {
	Time   time.Time
	Stderr bool
	Text   string // without its end
	Whole  bool   // the line ends here
	// Dropped, if not 0, is how many bytes are left out before this line, about.
	Dropped int64
}

// Logs returns the logs of a run: of one task, or of all where that is "". They are
// sorted by task, instance and attempt.
func (s *Store) Logs(runID, task string) ([]LogOf, error) {
	names, err := s.files.list(path.Join(logsDir, runID))
	if err != nil {
		return nil, fmt.Errorf("store: logs of run %s: %w", runID, err)
	}
	var all []LogOf
	for _, name := range names {
		if of, ok := parseLogName(runID, name); ok && (task == "" || task == of.Task) {
			all = append(all, of)
		}
	}
	slices.SortFunc(all, func(a, b LogOf) int {
		if c := strings.Compare(a.Task, b.Task); c != 0 {
			return c
		}
		if a.Instance != b.Instance {
			return a.Instance - b.Instance
		}
		return a.Attempt - b.Attempt
	})
	return all, nil
}

func parseLogName(runID, name string) (LogOf, bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return LogOf{}, false
	}
	of := LogOf{Run: runID, Task: parts[0], Instance: -1}
	var err error
	if parts[1] != "-" {
		if of.Instance, err = strconv.Atoi(parts[1]); err != nil {
			return LogOf{}, false
		}
	}
	of.Attempt, err = strconv.Atoi(parts[2])
	return of, err == nil
}

// ReadLog returns the lines of a log as far as it is written; a line that is torn at the
// end is left out.
func (s *Store) ReadLog(of LogOf) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		name := of.name()
		text, err := s.files.read(name)
		if err == nil && !bytes.HasPrefix(text, []byte(logHead)) && len(text) >= len(logHead) {
			err = fmt.Errorf("it begins with %.20q", text)
		}
		if err != nil {
			yield(Line{}, fmt.Errorf("store: log %s: %w", name, err))
			return
		}
		if !lines(text[min(len(logHead), len(text)):], 0, yield) {
			return
		}
		tails, err := s.tails(of)
		if err != nil {
			yield(Line{}, err)
			return
		}
		for k, part := range tails {
			dropped := int64(0)
			if k == 0 {
				dropped = int64(part-1) * s.maxLog / 4
			}
			text, err := s.files.read(s.partName(of, part))
			if err != nil {
				yield(Line{}, fmt.Errorf("store: log %s: %w", name, err))
				return
			}
			if !lines(text, dropped, yield) {
				return
			}
		}
	}
}

// tails are the numbers of the parts that are left of a log's end.
func (s *Store) tails(of LogOf) ([]int, error) {
	name := of.name()
	names, err := s.files.list(path.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("store: log %s: %w", name, err)
	}
	var parts []int
	for _, other := range names {
		if number, ok := strings.CutPrefix(other, path.Base(name)+".tail-"); ok {
			if k, err := strconv.Atoi(number); err == nil {
				parts = append(parts, k)
			}
		}
	}
	slices.Sort(parts)
	return parts, nil
}

// lines yields the lines of one part.
func lines(text []byte, dropped int64, yield func(Line, error) bool) bool {
	for len(text) > 0 {
		record, after, ended := bytes.Cut(text, []byte{'\n'})
		if !ended {
			return true // torn
		}
		text = after
		l, ok := parseRecord(record)
		if !ok {
			continue // torn, and written on after it
		}
		l.Dropped = dropped
		dropped = 0
		if !yield(l, nil) {
			return false
		}
	}
	return true
}
