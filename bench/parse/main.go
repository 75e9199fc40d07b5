// Command parse reads a YAML file into nodes and does nothing with them: what any
// program that uses the library takes at least.
package main

import (
	"fmt"
	"os"

	"gopkg.in/yaml.v3"
)

func main() {
	if err := parse(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var node yaml.Node
	return yaml.Unmarshal(text, &node)
}
