package dag

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Schema is the JSON Schema (draft 2020-12) of a workflow file, for editors.
// It is made of the table that the parser reads by, so a key of one is a key
// of the other. What it can't say (names that must exist, expressions, cron)
// only [Parse] checks.
func Schema() []byte {
	var b strings.Builder
	b.WriteString(`{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Workflow of flow",`)
	fileObject.members(&b)
	b.WriteString(`,"$defs":{`)
	for _, o := range objects() {
		writeJSON(&b, o.definition())
		b.WriteString(`:{`)
		o.members(&b)
		b.WriteString(`},`)
	}
	b.WriteString(`"map_default":{"type":"object","description":"A map as the default of a param: one without a key of the long form.","not":{"anyOf":[`)
	for i, k := range paramObject.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"required":[`)
		writeJSON(&b, k.name)
		b.WriteString(`]}`)
	}
	b.WriteString(`]}},`)
	b.WriteString(definitions)
	b.WriteString(`}}`)
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(b.String()), "", "  "); err != nil {
		panic("dag: a shape is no JSON: " + err.Error()) // a test reads the schema
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// described is an object whatever it is read into.
type described interface {
	definition() string
	members(*strings.Builder)
}

// objects are all but the file itself.
func objects() []described {
	return []described{
		taskObject, httpObject, sqlObject, waitObject,
		retryObject, limitsObject, cacheObject, resultObject,
		defaultsObject, concurrencyObject, executorObject, secretObject, paramObject,
		scheduleObject, triggerObject,
		caseObject, mockObject, failureObject, expectObject, expectTaskObject,
	}
}

func (o *object[T]) definition() string { return o.title }

// members writes the members of the object's schema.
func (o *object[T]) members(b *strings.Builder) {
	b.WriteString(`"description":`)
	writeJSON(b, o.doc)
	if o.null {
		b.WriteString(`,"type":["object","null"]`)
	} else {
		b.WriteString(`,"type":"object"`)
	}
	b.WriteString(`,"additionalProperties":false,"properties":{`)
	var must []string
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSON(b, k.name)
		b.WriteString(`:{"description":`)
		writeJSON(b, k.doc)
		if k.shape != shapeAny {
			b.WriteByte(',')
		}
		b.WriteString(k.shape[1:])
		if k.must {
			must = append(must, k.name)
		}
	}
	b.WriteByte('}')
	if must != nil {
		b.WriteString(`,"required":`)
		writeJSON(b, must)
	}
	o.kindMembers(b)
	if o.also != "" {
		b.WriteByte(',')
		b.WriteString(o.also)
	}
}

// kindMembers says which keys go with which actions.
func (o *object[T]) kindMembers(b *strings.Builder) {
	first := true
	for _, k := range o.keys {
		if k.kinds == "" {
			continue
		}
		if first {
			b.WriteString(`,"dependentSchemas":{`)
		} else {
			b.WriteByte(',')
		}
		first = false
		writeJSON(b, k.name)
		b.WriteString(`:{"anyOf":[`)
		for i, kind := range strings.Fields(k.kinds) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"required":["` + kind + `"]}`)
		}
		b.WriteString(`]}`)
	}
	if !first {
		b.WriteByte('}')
	}
}

func writeJSON(b *strings.Builder, v any) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // a text or a list of texts
	}
	b.Write(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}
