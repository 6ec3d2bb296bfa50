package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is an answer that is no JSON.
type document struct {
	media   string
	content []byte
}

func (d document) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.media)
	w.Header().Set("Content-Length", strconv.Itoa(len(d.content)))
	w.Header().Add("Vary", "Accept")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(d.content)
	_ = err // the client has gone: nobody is left to tell
	return nil
}

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle []byte

func (c *call) showDocs() (any, error) {
	return document{"text/html; charset=utf-8", c.docs}, nil
}

func (c *call) styleDocs() (any, error) {
	return document{"text/css; charset=utf-8", docsStyle}, nil
}

// description is what the page shows of openapi.yaml.
type description struct {
	Info struct {
		Title       string `yaml:"title"`
		Summary     string `yaml:"summary"`
		Description string `yaml:"description"`
	} `yaml:"info"`
	Tags []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas   map[string]any               `yaml:"schemas"`
		Responses map[string]describedResponse `yaml:"responses"`
		Security  map[string]struct {
			Description string `yaml:"description"`
		} `yaml:"securitySchemes"`
	} `yaml:"components"`
}

type operation struct {
	ID          string                       `yaml:"operationId"`
	Tags        []string                     `yaml:"tags"`
	Summary     string                       `yaml:"summary"`
	Description string                       `yaml:"description"`
	Security    []map[string]any             `yaml:"security"`
	Responses   map[string]describedResponse `yaml:"responses"`
	Parameters  []struct {
		Name        string `yaml:"name"`
		In          string `yaml:"in"`
		Description string `yaml:"description"`
		Schema      any    `yaml:"schema"`
	} `yaml:"parameters"`
	RequestBody struct {
		Content map[string]struct {
			Schema any `yaml:"schema"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
}

type describedResponse struct {
	Ref         string `yaml:"$ref"`
	Description string `yaml:"description"`
	Content     map[string]struct {
		Schema any `yaml:"schema"`
	} `yaml:"content"`
}

// section is one tag of the page with its operations, in the order of the routes.
type section struct {
	Name, Description string
	Operations        []shownOperation
}

type shownOperation struct {
	ID, Method, Path, Summary string
	Paragraphs                []string
	Callers                   []string
	Parameters                []shownParameter
	Body                      string
	Answers                   []shownAnswer
}

type (
	shownParameter struct{ Name, In, Description string }
	shownAnswer    struct{ Status, Description, Schema string }
	shownSchema    struct{ Name, JSON string }
)

// docsPage makes the readable page from openapi.yaml, once.
func docsPage() ([]byte, error) {
	var d description
	if err := yaml.Unmarshal(openapi, &d); err != nil {
		return nil, fmt.Errorf("api: openapi.yaml: %w", err)
	}
	page, err := template.New("docs").Funcs(template.FuncMap{"code": codeSpans}).Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{"Title": d.Info.Title, "Summary": d.Info.Summary, "Intro": paragraphs(d.Info.Description),
		"Sections": d.sections(), "Schemas": d.schemas()})
	return b.Bytes(), err
}

func (d description) sections() []section {
	all := make([]section, len(d.Tags))
	for i, tag := range d.Tags {
		all[i] = section{Name: tag.Name, Description: tag.Description}
		for _, r := range routes {
			if o, ok := d.Paths[r.path][strings.ToLower(r.method)]; ok && slices.Contains(o.Tags, tag.Name) {
				all[i].Operations = append(all[i].Operations, d.shown(r, o))
			}
		}
	}
	return all
}

func (d description) shown(r route, o operation) shownOperation {
	s := shownOperation{ID: o.ID, Method: r.method, Path: strings.TrimSuffix(Root, "/") + r.path, Summary: o.Summary, Paragraphs: paragraphs(o.Description)}
	for _, one := range o.Security {
		for scheme := range one {
			s.Callers = append(s.Callers, d.Components.Security[scheme].Description)
		}
	}
	for _, p := range o.Parameters {
		s.Parameters = append(s.Parameters, shownParameter{p.Name, p.In, p.Description})
	}
	if body, ok := o.RequestBody.Content["application/json"]; ok {
		s.Body = indented(body.Schema)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		a := o.Responses[status]
		if a.Ref != "" {
			a = d.Components.Responses[a.Ref[strings.LastIndexByte(a.Ref, '/')+1:]]
		}
		shown := shownAnswer{Status: status, Description: a.Description}
		if body, ok := a.Content["application/json"]; ok && status == "200" {
			shown.Schema = indented(body.Schema)
		}
		s.Answers = append(s.Answers, shown)
	}
	return s
}

func (d description) schemas() []shownSchema {
	var all []shownSchema
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		all = append(all, shownSchema{name, indented(d.Components.Schemas[name])})
	}
	return all
}

// indented writes a schema for people. What YAML read always marshals.
func indented(schema any) string {
	b, _ := json.MarshalIndent(schema, "", "  ")
	return string(b)
}

// paragraphs takes the Markdown of a description apart as far as it is used there: blank lines and list items.
func paragraphs(text string) (all []string) {
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "\n- ", "\n\n- "), "\n\n") {
		if part = strings.Join(strings.Fields(part), " "); part != "" {
			all = append(all, strings.TrimPrefix(part, "- "))
		}
	}
	return all
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// codeSpans turns `…` into <code>; everything is escaped first.
func codeSpans(text string) template.HTML {
	return template.HTML(codeSpan.ReplaceAllString(template.HTMLEscapeString(text), "<code>$1</code>"))
}
