//go:build race

package web_test

// racing: memory is not as without the race detector.
const racing = true
