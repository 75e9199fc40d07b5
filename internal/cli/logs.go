package cli

import (
	"bufio"
	"context"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"flow/engine"
	"flow/internal/store"
)

func newLogs(std streams) *cobra.Command {
	var dir string
	var follow, stamps bool
	c := &cobra.Command{
		Use:   "logs RUN [TASK]",
		Short: "Prints what the tasks of a run have printed",
		Long: `Prints what the tasks of a run, or one of them, have printed, attempt by attempt. Of a
log that is longer than 16 MiB the middle is left out.`,
		Example: `  flow logs last
  flow logs 7K2M4Q load --timestamps
  flow logs last load --follow`,
		Args: oneRun(1),
		RunE: func(c *cobra.Command, args []string) error {
			task := ""
			if len(args) > 1 {
				task = args[1]
			}
			return withHome(dir, func(h *engine.Home) error {
				r, err := find(h, args[0])
				if err != nil {
					return err
				}
				_, tty := terminal(std.out)
				p := &logPrinter{tty: tty, h: h, run: &r, task: task, stamps: stamps, st: newStyle(std.out), out: bufio.NewWriter(std.out), seen: make(map[store.LogOf]store.Pos)}
				if !follow {
					if err := p.print(); err != nil {
						return err
					}
					if len(p.seen) == 0 && task != "" {
						fmt.Fprintf(std.err, "flow: %s has printed nothing in run %s\n", task, r.ID)
					}
					return nil
				}
				ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				return p.follow(ctx)
			})
		},
	}
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run has ended")
	c.Flags().BoolVar(&stamps, "timestamps", false, "print when each line came")
	return c
}

// logPrinter prints logs, and each line once.
type logPrinter struct {
	h      *engine.Home
	run    *store.Run
	task   string
	stamps bool
	st     style
	tty    bool // what is printed is seen by a terminal, which must not obey it
	out    *bufio.Writer
	seen   map[store.LogOf]store.Pos // up to where each was printed
	last   store.LogOf               // whose line was printed last
	open   bool                      // that line has no end yet
}

// look is how often new lines are looked for.
const look = 200 * time.Millisecond

func (p *logPrinter) follow(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		_, running := p.h.Owner(p.run.ID) // before the lines, which may be the last
		if err := p.print(); err != nil || !running {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return quiet(exitCancelled)
		}
	}
}

// atOnce is how much of a log is read at a time, in bytes.
const atOnce = 256 << 10

// print prints what is new.
func (p *logPrinter) print() error {
	all, err := p.h.Logs(p.run.ID, p.task)
	if err != nil {
		return err
	}
	for _, of := range all {
		for last := false; !last; {
			piece, err := p.h.ReadLogFrom(of, p.seen[of], atOnce)
			if err != nil {
				return err
			}
			for i := range piece.Lines {
				p.line(of, &piece.Lines[i])
			}
			p.seen[of], last = piece.Next, piece.Last
		}
	}
	return p.out.Flush()
}

func (p *logPrinter) line(of store.LogOf, l *store.PlacedLine) {
	if p.last != of {
		if p.open {
			p.out.WriteByte('\n')
		}
		p.out.WriteString(p.st.faint("── "+logTitle(of)) + "\n")
		p.last, p.open = of, false
	}
	if l.Dropped > 0 {
		p.out.WriteString(p.st.faint(fmt.Sprintf("… about %d bytes are left out …", l.Dropped)) + "\n")
	}
	if p.stamps && !p.open && !l.Continues {
		p.out.WriteString(p.st.faint(l.Time.Format("15:04:05.000")) + " ")
	}
	text := l.Text
	if p.tty {
		text = harmless(text)
	}
	if l.Stderr {
		text = p.st.paint("33", text)
	}
	p.out.WriteString(text)
	if p.open = !l.Whole; l.Whole {
		p.out.WriteByte('\n')
	}
}

func logTitle(of store.LogOf) string {
	title := of.Task
	if of.Instance >= 0 {
		title = fmt.Sprintf("%s[%d]", title, of.Instance)
	}
	if of.Attempt > 1 {
		title += fmt.Sprintf(", attempt %d", of.Attempt)
	}
	return title
}

// harmless is a line without what a terminal would take for a command, but for tabs.
func harmless(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.TrimSuffix(line, "\r"))
}
