// Package home is the folder in which flow keeps what outlives a process: where
// it is, and the places of runs that are limited by `concurrency`, all processes
// on one home together.
package home

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Dir tells where the home is: flag if it is set, else $FLOW_HOME, else
// $XDG_STATE_HOME/flow, else ~/.local/state/flow. It makes nothing.
func Dir(flag string, getenv func(string) string) (string, error) {
	switch {
	case flag != "":
		return filepath.Abs(flag)
	case getenv("FLOW_HOME") != "":
		return filepath.Abs(getenv("FLOW_HOME"))
	case filepath.IsAbs(getenv("XDG_STATE_HOME")): // a relative one is to be ignored
		return filepath.Join(getenv("XDG_STATE_HOME"), "flow"), nil
	case filepath.IsAbs(getenv("HOME")):
		return filepath.Join(getenv("HOME"), ".local", "state", "flow"), nil
	}
	return "", errors.New("home: there is no home folder: set --home, FLOW_HOME or HOME")
}

// open opens the home's folder for the places of one workflow's runs, which it
// makes if it has to.
func open(home, workflow string) (*os.Root, error) {
	dir := filepath.Join(home, "running", workflow)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	return root, nil
}
