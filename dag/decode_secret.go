package dag

import (
	"slices"
	"strings"
)

var secretObject = newObject(object[Secret]{
	name: "a secret", title: "secret", doc: "Where a secret comes from: exactly one source.", null: true,
	also: `"if":{"type":"object"},"then":{"minProperties":1,"maxProperties":1}`,
	keys: []key[Secret]{
		{name: "env", read: readSecretEnv, shape: `{"$ref":"#/$defs/variable"}`, doc: "An environment variable of flow."},
		{name: "file", read: func(d *decoder, n *node, s *Secret) { s.File, _ = d.filled(n) }, shape: shapeFilled, doc: "A file that holds the value, relative to the workflow file."},
		{name: "command", read: readSecretCommand, shape: `{"type":"array","minItems":1,"items":{"type":"string"}}`, doc: "A program and its arguments that prints the value."},
	},
})

func readSecretEnv(d *decoder, n *node, s *Secret) {
	name, ok := d.filled(n)
	if ok && !isName(name) {
		d.errorf(n, "%q is no name of an environment variable", shorten(name, 60))
		return
	}
	s.Env = name
}

func readSecretCommand(d *decoder, n *node, s *Secret) {
	if n.Kind != listKind || len(n.Content) == 0 {
		d.errorf(n, "command is a list, the program and its arguments: [pass, show, token]")
		return
	}
	s.Command = d.texts(n)
}

// readSecrets reads the list and the map form.
func readSecrets(d *decoder, n *node, _ *fileParts) {
	add := func(k *node, s Secret) {
		if !isName(k.Value) {
			d.errorf(k, "secrets: %q is no name: a letter or _ first, then letters, digits and _", shorten(k.Value, 60))
			return
		}
		if d.secrets[k.Value] {
			d.errorf(k, "secrets: %s stands here twice", k.Value)
			return
		}
		d.secrets[k.Value] = true
		s.Name, s.Pos = k.Value, d.place(k)
		d.w.Secrets = append(d.w.Secrets, s)
	}
	if n.Kind != mapKind {
		for c := range d.each(n) {
			if name, ok := d.filled(c); ok {
				if strings.Contains(name, "=") {
					d.errorf(c, "secrets: a file holds the names of secrets, never their values; set %s in the environment", shorten(strings.TrimSpace(strings.SplitN(name, "=", 2)[0]), 40))
					continue
				}
				add(c, Secret{Env: name})
			}
		}
		return
	}
	for k, v := range pairs(n) {
		s := Secret{}
		switch {
		case isNull(v):
			s.Env = k.Value
		case v.Kind == mapKind:
			secretObject.read(d, v, k, &s)
			d.key, d.at = k.Value, k
			d.exactlyOne(v, "secret "+k.Value, "env", "file", "command")
		default:
			d.errorf(v, "secret %s has a source, { env: NAME }, { file: path } or { command: [argv] }, never a value", k.Value)
		}
		add(k, s)
	}
	d.key = "secrets"
}

// Secret returns the declared secret with that name, and whether there is one.
func (w *Workflow) Secret(name string) (*Secret, bool) {
	i := slices.IndexFunc(w.Secrets, func(s Secret) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &w.Secrets[i], true
}
