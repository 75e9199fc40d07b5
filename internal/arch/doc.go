// Package arch holds the tests that keep the house in order, most of it as
// docs/architecture.md says: who may import whom, which files may import a library
// that is to stay replaceable, what is pure, and that every package says what it
// is for. It has no code of its own.
package arch
