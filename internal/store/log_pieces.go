package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// Pos is a place in a log: the number of its part, and a place in that. Of two places the
// greater one is the later. 0 is the beginning. A place stays good while the log grows.
type Pos int64

// A part is a file of at most a few times MaxLog, so 32 bits are enough; and what a
// browser holds as a number is good for two million parts.
func posOf(part int, at int64) Pos { return Pos(int64(part)<<32 | at) }

func (p Pos) split() (part int, at int64) { return int(p >> 32), int64(p & (1<<32 - 1)) }

// PlacedLine is a line of a log, and where it stands.
type PlacedLine struct {
	Line
	Pos Pos
	// Continues: the record was too long for one piece, and this is more of it. Time
	// and Stderr are those of the piece before.
	Continues bool
}

// Piece is some lines of a log.
type Piece struct {
	Lines []PlacedLine
	From  Pos  // of the first line; for ReadLogBefore
	Next  Pos  // behind the last line; for ReadLogFrom
	First bool // there is nothing before From
	Last  bool // there is nothing behind Next yet
}

// LogSize is how much of a log is kept, and how much was left out of its middle, both in
// bytes, about. Its cost does not depend on the log's.
func (s *Store) LogSize(of LogOf) (size, dropped int64, err error) {
	parts, err := s.logParts(of)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range parts {
		size += p.size
	}
	if len(parts) > 1 {
		dropped = int64(parts[1].number-1) * s.maxLog / 4
	}
	return size, dropped, nil
}

// logPart is a file of a log.
type logPart struct {
	number int
	size   int64
}

func (s *Store) partName(of LogOf, part int) string {
	if part == 0 {
		return of.name()
	}
	return of.name() + ".tail-" + strconv.Itoa(part)
}

// logParts are the files of a log. The folder is only listed where there may be more than
// one.
func (s *Store) logParts(of LogOf) ([]logPart, error) {
	size, _, err := s.files.stat(of.name())
	if err != nil {
		return nil, fmt.Errorf("store: log %s: %w", of.name(), err)
	}
	parts := []logPart{{0, size}}
	if size < s.maxLog/2 {
		return parts, nil
	}
	tails, err := s.tails(of)
	if err != nil {
		return nil, err
	}
	for _, k := range tails {
		size, _, err := s.files.stat(s.partName(of, k))
		if errors.Is(err, fs.ErrNotExist) {
			continue // its turn to be dropped has come since
		}
		if err != nil {
			return nil, fmt.Errorf("store: log %s: %w", of.name(), err)
		}
		parts = append(parts, logPart{k, size})
	}
	return parts, nil
}

// head is where the first record of a part stands.
func head(part int) int64 {
	if part == 0 {
		return int64(len(logHead))
	}
	return 0
}

// ReadLogFrom returns lines from a place on: those of at most limit bytes of the log, and
// at least one, if there is one. It reads no more than that, however long the log is. A
// line that is being written is left for later. Of a log of which nothing was written yet
// the error is fs.ErrNotExist.
func (s *Store) ReadLogFrom(of LogOf, from Pos, limit int) (Piece, error) {
	for try := 0; ; try++ {
		p, err := s.readLogFrom(of, from, limit)
		if errors.Is(err, fs.ErrNotExist) && try < 5 {
			if _, _, head := s.files.stat(of.name()); head == nil {
				continue // a part was dropped between the look for it and the reading
			}
		}
		return p, err
	}
}

func (s *Store) readLogFrom(of LogOf, from Pos, limit int) (Piece, error) {
	parts, err := s.logParts(of)
	if err != nil {
		return Piece{}, err
	}
	number, at := from.split()
	for k, p := range parts {
		if p.number < number {
			continue
		}
		begin := max(at, head(p.number))
		if p.number > number { // the part was dropped, or read to its end
			begin = head(p.number)
		}
		last := k == len(parts)-1
		if begin >= p.size {
			if !last {
				continue
			}
			break
		}
		piece := Piece{From: posOf(p.number, begin), First: k == 0 && begin == head(0)}
		text, middle, err := s.chunk(of, p.number, begin, limit)
		if err != nil {
			return Piece{}, err
		}
		used := 0
		piece.Lines, used = placed(text, middle, p.number, begin, limit)
		piece.Next = posOf(p.number, begin+int64(used))
		if lost := p.number - number - 1; len(piece.Lines) > 0 && lost > 0 && begin == 0 {
			piece.Lines[0].Dropped = int64(lost) * s.maxLog / 4
		}
		piece.Last = last && (begin+int64(used) >= p.size || used == 0)
		if used == 0 && !last { // a torn end, and written on in the next part
			number, at = parts[k+1].number, 0
			continue
		}
		return piece, nil
	}
	return Piece{From: from, Next: from, Last: true}, nil
}

// chunk reads a piece of a part; middle says that it begins within a record.
func (s *Store) chunk(of LogOf, part int, from int64, n int) (text []byte, middle bool, err error) {
	before := 0
	if from > 0 {
		before = 1
	}
	text, err = s.files.readAt(s.partName(of, part), from-int64(before), n+before)
	if err != nil {
		return nil, false, fmt.Errorf("store: log %s: %w", of.name(), err)
	}
	if len(text) < before {
		return nil, false, nil
	}
	return text[before:], before > 0 && text[0] != '\n', nil
}

// placed makes lines of a piece of a part, and tells how many bytes they were: all whole
// records, or what there is of one that is longer than limit.
func placed(text []byte, middle bool, part int, at int64, limit int) ([]PlacedLine, int) {
	end := bytes.LastIndexByte(text, '\n') + 1
	if end == 0 {
		if len(text) < limit {
			return nil, 0
		}
		end = len(text)
	}
	var all []PlacedLine
	for used := 0; used < end; {
		record, _, whole := bytes.Cut(text[used:end], []byte{'\n'})
		pos := posOf(part, at+int64(used))
		used += len(record)
		if whole {
			used++
		}
		if middle {
			all = append(all, PlacedLine{Line: Line{Text: string(record), Whole: whole}, Pos: pos, Continues: true})
			middle = false
			continue
		}
		if l, ok := parseRecord(record); ok {
			l.Whole = l.Whole && whole
			all = append(all, PlacedLine{Line: l, Pos: pos})
		}
	}
	return all, end
}

// parseRecord reads a record of a log; false: it is torn, and was written on after it.
func parseRecord(record []byte) (Line, bool) {
	stamp, rest, ok := bytes.Cut(record, []byte{' '})
	ms, err := strconv.ParseInt(string(stamp), 10, 64)
	if !ok || err != nil || len(rest) < 3 || rest[2] != ' ' {
		return Line{}, false
	}
	return Line{Time: time.UnixMilli(ms), Stderr: rest[0] == 'e', Whole: rest[1] == '.', Text: string(rest[3:])}, true
}

// ReadLogBefore returns the lines before a place, in order: those of at most limit bytes
// of the log, and at least one, if there is one; before 0, those at the end. It reads no
// more than that.
func (s *Store) ReadLogBefore(of LogOf, before Pos, limit int) (Piece, error) {
	parts, err := s.logParts(of)
	if err != nil {
		return Piece{}, err
	}
	number, to := before.split()
	for k := len(parts) - 1; k >= 0; k-- {
		p := parts[k]
		if before != 0 && p.number > number {
			continue
		}
		end := p.size
		if before != 0 && p.number == number {
			end = min(to, p.size)
		}
		if end <= head(p.number) {
			continue
		}
		begin := max(end-int64(limit), head(p.number))
		text, middle, err := s.chunk(of, p.number, begin, int(end-begin))
		if err != nil {
			return Piece{}, err
		}
		if cut := bytes.IndexByte(text, '\n') + 1; middle && cut > 0 && cut < len(text) {
			text, begin, middle = text[cut:], begin+int64(cut), false
		}
		lines, used := placed(text, middle, p.number, begin, limit)
		if used == 0 { // a line that is being written, and nothing before it
			continue
		}
		piece := Piece{Lines: lines, From: posOf(p.number, begin), Next: posOf(p.number, begin+int64(used)), First: k == 0 && begin == head(0), Last: k == len(parts)-1 && before == 0}
		if k == 1 && begin == 0 && len(lines) > 0 {
			lines[0].Dropped = int64(p.number-1) * s.maxLog / 4
		}
		return piece, nil
	}
	return Piece{From: before, Next: before, First: true, Last: before == 0}, nil
}
