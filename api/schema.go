package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

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

// describe serves the description of the API: the page to whoever asks for one, as a browser does, else the JSON.
func (c *call) describe() (any, error) {
	if asksForPage(c.r) {
		return c.showDocs()
	}
	if !acceptsJSON(c.r) {
		return nil, notAcceptable(c.r)
	}
	return json.RawMessage(c.schema), nil
}

// asksForPage tells whether the header Accept names text/html. "*/*" asks for nothing in particular.
func asksForPage(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if media, params, err := mime.ParseMediaType(part); err == nil && media == "text/html" && params["q"] != "0" {
			return true
		}
	}
	return false
}
