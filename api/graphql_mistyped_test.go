package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go/ast"
)

// Promise: a value of another type than an argument's is the caller's mistake, wherever in the schema it stands, and nothing that the
// caller sent is in the log. Lists and objects were answered as faults of ours, with the password in the log.
func TestAMistypedVariableIsRefusedAndNotRepeated(t *testing.T) {
	const marker = "correct-horse-battery"
	eachGraph(t, func(t *testing.T, g *graph) {
		schema, asked := g.door.Schema(), 0
		for operation, root := range map[string]string{"query": "Query", "mutation": "Mutation"} {
			for _, field := range schema.Types[root].(*ast.ObjectTypeDefinition).Fields {
				if strings.HasPrefix(field.Name, "__") || len(field.Arguments) == 0 {
					continue
				}
				for what, wrong := range map[string]any{"a list": []any{marker}, "an object": map[string]any{marker: marker}, "a number": 47.25, "a text": marker, "nothing": nil,
					"a list of lists": []any{[]any{marker}}} {
					var declared, given []string
					values := map[string]any{}
					for i, a := range field.Arguments {
						name := fmt.Sprintf("v%d", i)
						declared = append(declared, "$"+name+": "+a.Type.String())
						given = append(given, a.Name.Name+": $"+name)
						values[name] = filled(a.Type, wrong)
					}
					selection := ""
					if _, leaf := named(field.Type).(*ast.ScalarTypeDefinition); !leaf {
						selection = "{ __typename }"
					}
					document := fmt.Sprintf("%s(%s) { %s(%s) %s }", operation, strings.Join(declared, ", "), field.Name, strings.Join(given, ", "), selection)
					body, err := json.Marshal(map[string]any{"query": document, "variables": values})
					if err != nil {
						t.Fatal(err)
					}
					asked++
					if got := g.ask(ask{body: string(body)}); got.status >= http.StatusInternalServerError || what == "an object" && got.status != http.StatusBadRequest {
						t.Errorf("%s for %s: %d %.300s", what, document, got.status, got.body)
					}
				}
			}
		}
		if log := g.log.String(); strings.Contains(log, marker) || strings.Contains(log, "level=ERROR") {
			t.Errorf("the log repeats what was sent, or calls it a fault of ours:\n%.3000s", log)
		}
		if asked < 60 {
			t.Errorf("%d requests only", asked)
		}
	})
}

// Promise: an operation that is refused for a variable has done nothing, not even what stands before the field that the variable is for.
func TestNothingIsDoneBesideAMistypedVariable(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		g.Customer("lune_en", "camille@lune.test")
		body := func(token string) ask {
			return ask{body: `{"query":"mutation($p:String!){ requestPasswordResetEmail(email:\"camille@lune.test\") resetPassword(email:\"camille@lune.test\", ` +
				`resetPasswordToken:$p, newPassword:\"another-8-word\") }","variables":{"p":` + token + `}}`}
		}
		for _, wrong := range []string{`["x"]`, `{"x":1}`, `7`, `true`} {
			if got := g.ask(body(wrong)); got.status != http.StatusBadRequest || len(g.links()) > 0 {
				t.Errorf("%s: %d, and %d letters are queued", wrong, got.status, len(g.links()))
			}
		}
		if g.ask(body(`"x"`)); len(g.links()) != 1 {
			t.Errorf("with a text: %d letters", len(g.links()))
		}
	})
}

func named(t ast.Type) ast.Type {
	switch t := t.(type) {
	case *ast.NonNull:
		return named(t.OfType)
	case *ast.List:
		return named(t.OfType)
	}
	return t
}

// filled is a value of a type in which every scalar is the wrong one.
func filled(t ast.Type, wrong any) any {
	switch t := t.(type) {
	case *ast.NonNull:
		return filled(t.OfType, wrong)
	case *ast.List:
		return []any{filled(t.OfType, wrong)}
	case *ast.InputObject:
		object := map[string]any{}
		for _, f := range t.Values {
			object[f.Name.Name] = filled(f.Type, wrong)
		}
		return object
	}
	return wrong
}
