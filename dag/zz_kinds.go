package dag

import "gopkg.in/yaml.v3"

const (
	listKind = yaml.SequenceNode
	mapKind  = yaml.MappingNode
)
