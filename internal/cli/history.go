package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"flow/engine"
	"flow/internal/home"
	"flow/internal/store"
)

// homeFlag is where flow's state is.
const homeFlag = "the `folder` of flow's state (else $FLOW_HOME, $XDG_STATE_HOME/flow, ~/.local/state/flow)"

// keepFlags say where a run is kept, and how.
type keepFlags struct {
	home       string
	durability string
	none       bool
}

func (k *keepFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&k.home, "home", "", homeFlag)
	fl.StringVar(&k.durability, "durability", "normal", "what a power cut may cost: `full` (nothing), normal (the last moments) or off")
	fl.BoolVar(&k.none, "no-history", false, "keep nothing of the run: it can't be looked at later, nor resumed")
}

// open opens the home for a run; nil where nothing is to be kept.
func (k *keepFlags) open() (*engine.Home, error) {
	if k.none {
		return nil, nil
	}
	switch store.Durability(k.durability) {
	case store.Full, store.Normal, store.Off:
	default:
		return nil, usage("", "--durability %s: there are full, normal and off", k.durability)
	}
	dir, err := homeDir(k.home)
	if err != nil {
		return nil, err
	}
	h, err := engine.OpenHome(dir, k.durability)
	if err != nil {
		return nil, &codeError{code: exitInternal, err: err, hint: "another folder is named by --home or FLOW_HOME; with --no-history none is needed"}
	}
	return h, nil
}

func closeHome(h *engine.Home) error {
	if h == nil {
		return nil
	}
	return h.Close()
}

func homeDir(flag string) (string, error) {
	dir, err := home.Dir(flag, os.Getenv)
	if err != nil {
		return "", &codeError{code: exitInternal, err: err, hint: "name a folder by --home or FLOW_HOME"}
	}
	return dir, nil
}

// withHome opens the home for a command that looks at runs, and makes none.
func withHome(flag string, do func(*engine.Home) error) error {
	return withHomeBy(flag, func(dir, durability string) (*engine.Home, error) {
		h, err := engine.OpenHome(dir, durability)
		if store.IsReadOnly(err) || store.IsFull(err) {
			h, err = store.OpenToRead(dir)
		}
		return h, err
	}, do)
}

func withHomeBy(flag string, open func(dir, durability string) (*engine.Home, error), do func(*engine.Home) error) error {
	dir, err := homeDir(flag)
	if err != nil {
		return err
	}
	if !store.Exists(dir) {
		return usage("flow run FILE keeps one", "there is no run in %s yet", dir)
	}
	h, err := open(dir, "")
	if err != nil {
		return err
	}
	return errors.Join(do(h), h.Close())
}

// lookIfThere calls do with the home, for a command without any effect; with nil where there
// is none. It may call it again.
func lookIfThere(flag string, do func(*engine.Home) error) error {
	dir, err := home.Dir(flag, os.Getenv)
	if err != nil || !store.Exists(dir) {
		return do(nil) // which is no error
	}
	err = store.Look(dir, do)
	if errors.As(err, new(*store.OlderError)) {
		return do(nil) // what it knows is of use only once it is up to date
	}
	return err
}

// find looks a run up that a person has named.
func find(h *engine.Home, id string) (store.Run, error) {
	r, err := h.Find(id)
	if errors.Is(err, store.ErrNoRun) {
		return r, usage("flow runs lists them", "%w", err)
	}
	return r, err
}

// statusOf is a run's status for people: one that nobody runs any more, and that has not
// ended, is interrupted.
func statusOf(h *engine.Home, r *store.Run) string {
	if r.Ended.IsZero() {
		if _, owned := h.Owner(r.ID); !owned {
			return "interrupted"
		}
	}
	return r.Status
}

// oneRun says that a command takes the id of a run, and at most so many words more.
func oneRun(more int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("for example "+c.CommandPath()+" last", "%s needs a run: its id, the end of that, or last", c.CommandPath())
		}
		return atMost(1+more)(c, args)
	}
}
