// Package arch holds the tests that keep the house in order: who may import
// whom, which file may import a library that is to stay replaceable, and that
// every package says what it is for. It has no code of its own.
package arch
