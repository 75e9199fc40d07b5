package cli
import ("flow/engine";"flow/internal/web")
func newSite(h *engine.Home) web.Runs { return nil }
