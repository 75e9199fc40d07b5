package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/internal/web"
)

func newToken(std streams) *cobra.Command {
	var file, expires string
	var readOnly bool
	c := &cobra.Command{
		Use:   "token NAME --tokens FILE",
		Short: "Makes a token that lets somebody in to flow serve",
		Long: `Makes a token that lets somebody in to a flow serve --tokens FILE, prints it, and adds
its SHA-256 to the file, which it makes if it has to. The token itself is kept nowhere. To
take a token back, remove its line, and start the service again.`,
		Example: `  flow token ci --tokens /etc/flow/tokens --expires 90d
  flow token wall-display --tokens /etc/flow/tokens --read-only`,
		Args: cobra.MatchAll(atMost(1), func(c *cobra.Command, args []string) error {
			if len(args) == 0 || file == "" {
				return usage("for example flow token ci --tokens tokens", "flow token needs a name, and --tokens with the file that it goes to")
			}
			return nil
		}),
		RunE: func(_ *cobra.Command, args []string) error {
			return makeToken(std, file, args[0], expires, readOnly)
		},
	}
	fl := c.Flags()
	fl.StringVar(&file, "tokens", "", "the `file` of the tokens")
	fl.StringVar(&expires, "expires", "", "after how `long` it lets nobody in any more, for example 90d (else never)")
	fl.BoolVar(&readOnly, "read-only", false, "it lets people look, and no more")
	return c
}

func makeToken(std streams, file, name, expires string, readOnly bool) error {
	if strings.ContainsAny(name, " \t\n#") {
		return usage("", "a token's name has no space in it, and no #")
	}
	if text, err := os.ReadFile(file); err == nil {
		known, err := parseTokens(file, text)
		if err != nil {
			return err
		}
		for _, t := range known {
			if t.Name == name {
				return usage("remove its line first, or take another name", "%s has a token named %s", file, name)
			}
		}
	}
	token := "flow_" + rand.Text()
	sum := sha256.Sum256([]byte(token))
	line := name + " sha256:" + hex.EncodeToString(sum[:])
	if readOnly {
		line += " read-only"
	}
	if expires != "" {
		d, err := dag.ParseDuration(expires)
		if err != nil || d <= 0 {
			return usage("for example 90d", "--expires %s is no duration", expires)
		}
		line += " until " + time.Now().Add(d).UTC().Format(time.RFC3339)
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return usage("", "%w", err)
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := out.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, token)
	return err
}

// readTokens reads the tokens of a service: those of a file, which has only their hashes,
// and those of the environment.
func readTokens(f *serveFlags) ([]web.Token, error) {
	var all []web.Token
	if f.tokens != "" {
		text, err := os.ReadFile(f.tokens)
		if err != nil {
			return nil, usage("flow token makes one", "--tokens: %w", err)
		}
		if all, err = parseTokens(f.tokens, text); err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, usage("flow token makes one", "--tokens %s: there is no token in it", f.tokens)
		}
	}
	for _, env := range []string{"FLOW_TOKENS", "FLOW_READ_TOKENS"} {
		for token := range strings.FieldsSeq(os.Getenv(env)) {
			if len(token) < shortestToken {
				return nil, usage("flow token makes a good one", "$%s: a token has at least %d characters", env, shortestToken)
			}
			sum := sha256.Sum256([]byte(token))
			all = append(all, web.Token{Name: env, Hash: hex.EncodeToString(sum[:]), ReadOnly: env == "FLOW_READ_TOKENS"})
		}
		_ = os.Unsetenv(env) // tasks inherit the rest
	}
	return all, nil
}

// shortestToken keeps people from tokens that can be guessed.
const shortestToken = 16

// parseTokens reads a file of tokens: a name, sha256: and the hash, and then maybe
// read-only, and until with a time.
func parseTokens(file string, text []byte) ([]web.Token, error) {
	var all []web.Token
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(strings.SplitN(lines.Text(), "#", 2)[0])
		if len(words) == 0 {
			continue
		}
		t, ok := parseToken(words)
		if !ok {
			return nil, usage("flow token writes such lines", "%s:%d: a token is NAME sha256:HASH [read-only] [until TIME]", file, n)
		}
		all = append(all, t)
	}
	return all, lines.Err()
}

func parseToken(words []string) (t web.Token, ok bool) {
	if len(words) < 2 {
		return t, false
	}
	t.Name = words[0]
	t.Hash, ok = strings.CutPrefix(words[1], "sha256:")
	if sum, err := hex.DecodeString(t.Hash); !ok || err != nil || len(sum) != sha256.Size {
		return t, false
	}
	for rest := words[2:]; len(rest) > 0; rest = rest[1:] {
		switch {
		case rest[0] == "read-only":
			t.ReadOnly = true
		case rest[0] == "until" && len(rest) > 1:
			at, err := time.Parse(time.RFC3339, rest[1])
			if err != nil {
				return t, false
			}
			t.Expires, rest = at, rest[1:]
		default:
			return t, false
		}
	}
	return t, true
}

// openToOthers refuses to let everybody in.
func openToOthers(f *serveFlags, tokens []web.Token) error {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return usage("for example 127.0.0.1:7070", "--listen %s is no address and port", f.listen)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() || len(tokens) > 0 {
		return nil
	}
	return usage("flow token ci --tokens tokens makes one", "--listen %s can be reached from other machines: that needs --tokens, or $FLOW_TOKENS", f.listen)
}
