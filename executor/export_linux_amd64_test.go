package executor

// RefuseSpawn lets launchers start programs as where the system refuses clone3, until
// undo.
func RefuseSpawn() (undo func()) {
	before := noSpawn.Swap(true)
	return func() { noSpawn.Store(before) }
}
