package stack

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// ServiceNames are the services that the text of a stack file itself has, in its
// order: includes are not followed.
func ServiceNames(file []byte) ([]string, error) {
	var doc struct {
		Services yaml.Node `yaml:"services"`
	}
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return nil, fmt.Errorf("read the stack file: %w", err)
	}
	var names []string
	if doc.Services.Kind == yaml.MappingNode {
		for i := 0; i < len(doc.Services.Content); i += 2 {
			names = append(names, doc.Services.Content[i].Value)
		}
	}
	return names, nil
}
