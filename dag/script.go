package dag

// Script is a shell script.
type Script struct{ Text string }
