package api

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapi []byte

// schemaJSON is openapi.yaml as JSON.
func schemaJSON() ([]byte, error) {
	var described map[string]any
	if err := yaml.Unmarshal(openapi, &described); err != nil {
		return nil, fmt.Errorf("api: openapi.yaml: %w", err)
	}
	return json.Marshal(described)
}

// describe serves the description of the API.
func (c *call) describe() (any, error) { return json.RawMessage(c.schema), nil }
