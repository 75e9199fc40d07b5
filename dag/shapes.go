package dag

// JSON Schema of the values that several keys have. Each is a JSON object, so
// that a description can be put into it.
const (
	shapeText     = `{"type":"string"}`
	shapeFilled   = `{"type":"string","minLength":1}`
	shapeTexts    = `{"type":["string","array"],"items":{"type":"string"}}`
	shapeScalar   = `{"type":["string","number","boolean"]}`
	shapeBool     = `{"type":"boolean"}`
	shapeCount    = `{"type":"integer","minimum":1}`
	shapeNatural  = `{"type":"integer","minimum":0}`
	shapeAny      = `{}`
	shapeID       = `{"$ref":"#/$defs/id"}`
	shapeDuration = `{"$ref":"#/$defs/duration"}`
	shapeSize     = `{"$ref":"#/$defs/size"}`
	shapeExpr     = `{"type":["string","number","boolean"]}`
	shapeEnv      = `{"type":["object","null"],"additionalProperties":{"type":["string","number","boolean","null"]},"propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"}}`
	shapeValues   = `{"type":["object","null"]}`
	shapeNamed    = `{"type":["object","null"],"propertyNames":{"pattern":"^[A-Za-z_][A-Za-z0-9_]*$"}}`
	shapeLiterals = `{"type":["object","null"]}`
	shapeArgv     = `{"type":"array","minItems":1,"items":{"type":["string","number","boolean","null"]}}`
	shapeShell    = `{"type":["string","array"],"minItems":1,"minLength":1,"items":{"type":"string"}}`
)
