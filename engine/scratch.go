package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"flow/dag"
	"flow/executor"
	"flow/internal/action"
)

// scratch is the folder of an engine's files that nothing of is kept: what attempts are
// given and give back through files, which may hold secrets, is not to lie in the home.
// token is its launcher's, so whoever ends what a killed engine has left finds it.
func scratch(token string) string {
	return filepath.Join(os.TempDir(), "flow-"+path.Base(token))
}

// Sweep is what the program has to do that Subreaper starts.
func Sweep(token string) error {
	return errors.Join(executor.Sweep(token), removeAll(scratch(token)))
}

// folders makes the run's folders: its scratch, and $FLOW_DIR, which stays until the run
// has ended. A run that only computes needs none.
func (r *Run) folders() error {
	own, err := filepath.Abs(scratch(r.engine.launcher.Token())) // tasks run in other folders
	if err != nil {
		return fmt.Errorf("the temporary folder (TMPDIR) is lost: %w", err)
	}
	files := filepath.Join(own, r.ID)
	r.shared.Files, r.shared.Work = files, filepath.Join(files, "work")
	if home := r.engine.home; home != nil && home.Dir() != "" {
		if r.shared.Work, err = home.WorkDir(r.ID); err != nil {
			return err
		}
	}
	if computes(r.plan.Workflow) {
		return nil
	}
	if err := os.Mkdir(own, 0o700); err != nil && !errors.Is(err, fs.ErrExist) { // of another run: nobody else knows the name
		return err
	}
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(r.shared.Work, 0o700),
		os.WriteFile(filepath.Join(files, action.NoInputs), []byte("{}\n"), 0o600),
	)
}

// computes reports whether a workflow has only tasks that start nothing.
func computes(w *dag.Workflow) bool {
	for _, t := range w.Tasks {
		if _, is := t.Action.(dag.Compute); !is {
			return false
		}
	}
	return true
}

// clean removes the run's folders; of one that goes on later, $FLOW_DIR stays.
func (r *Run) clean(ended bool) error {
	err := removeAll(r.shared.Files)
	if ended {
		err = errors.Join(err, removeAll(r.shared.Work))
	}
	_ = os.Remove(filepath.Dir(r.shared.Files)) // if it was the last run's
	return err
}

// removeAll removes a folder. A task may have left folders in it that can't be written
// to, which RemoveAll stumbles over.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // the second RemoveAll tells what could not be helped
		}
		return nil
	})
	return os.RemoveAll(dir)
}
