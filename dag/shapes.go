package dag

// JSON Schema of the values that several keys have. Each is a JSON object, so
// that a description can be put into it. A text may be written without quotes
// even where it looks like a number: it is text as written.
const (
	shapeText     = `{"type":["string","number","boolean"]}`
	shapeFilled   = `{"type":["string","number","boolean"],"minLength":1}`
	shapeTexts    = `{"type":["string","number","boolean","array","null"],"items":{"type":["string","number","boolean"],"minLength":1}}`
	shapeScalar   = `{"type":["string","number","boolean"],"minLength":1}`
	shapeBool     = `{"type":"boolean"}`
	shapeCount    = `{"type":"integer","minimum":1}`
	shapeAny      = `{}`
	shapeID       = `{"$ref":"#/$defs/id"}`
	shapeDuration = `{"$ref":"#/$defs/duration"}`
	shapeSize     = `{"$ref":"#/$defs/size"}`
	shapeExpr     = `{"type":["string","number","boolean"],"minLength":1}`
	shapeEnv      = `{"type":["object","null"],"additionalProperties":{"type":["string","number","boolean","null"]},"propertyNames":{"$ref":"#/$defs/variable"}}`
	shapeValues   = `{"type":["object","null"]}`
	shapeNamed    = `{"type":["object","null"],"propertyNames":{"$ref":"#/$defs/variable"}}`
	shapeArgv     = `{"type":"array","minItems":1,"items":{"type":["string","number","boolean","null"]}}`
	shapeShell    = `{"type":["string","array"],"minItems":1,"minLength":1,"items":{"type":["string","number","boolean"],"minLength":1}}`
)

// definitions are what shapes refer to and no object is.
const definitions = `
"id":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_-]*$","description":"A name: a letter or _ first, then letters, digits, _ and -."},
"variable":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_]*$","description":"A name: a letter or _ first, then letters, digits and _."},
"duration":{"type":"string","pattern":"^([0-9]+(\\.[0-9]*)?d)?(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(h|m|s|ms|us|µs|ns))*$","minLength":2,"description":"A duration with units: 30s, 10m, 1h30m, 2d."},
"size":{"type":"string","pattern":"^[0-9]+(\\.[0-9]+)? *(B|[kK]B|[MGT]B|[KMGT]iB)$","description":"A number of bytes with its unit: 512MiB, 2GB."},
"cron":{"type":"string","minLength":1,"description":"A cron expression: five fields, @daily and its sisters, or @every 15m."},
"matrix":{"type":"object","minProperties":1,"description":"Lists by name; their product is what the task is run for.",
 "properties":{
  "include":{"type":["array","string"],"items":{"type":["object","string"]},"description":"Combinations besides, last."},
  "exclude":{"type":["array","string"],"items":{"type":["object","string"]},"description":"Combinations that are left out."}},
 "propertyNames":{"$ref":"#/$defs/id"},
 "additionalProperties":{"type":["array","string"]}}`
