#!/bin/sh
# github.com/graph-gophers/graphql-go v1.11.0, Go 1.26.
#
# The GraphQL specification (section 6.1.2, CoerceVariableValues) wants an operation refused as a whole, before anything is resolved, if a
# variable is not of the type that it is declared with. This library compares variables of enumerations and of input objects before. A list
# that is given for a String it meets only while it packs the arguments of the fields, one field after the other: the fields of a mutation
# that stand before are resolved all the same, those after it are not, and the answer has both the data and the error, which
# quotes the value. So whoever turns that error into a refusal has done half of the mutation before.
#
# A tracer is told the declared types and the values (TraceQuery) before anything is resolved, and can end the context there.
#
# Seen:
#   String for an enumeration's value: 0 resolved, data null
#   list for a String: 1 resolved, data {"first":"done"}, errors 1, quotes the value true
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"strings"

	gql "github.com/graph-gophers/graphql-go"
)

const schema = `
schema { query: Query mutation: Mutation }
enum Colour { RED GREEN }
type Query { nothing: String }
type Mutation {
  first: String
  second(text: String!): String
  paint(colour: Colour!): String
  last: String
}`

type root struct{ resolved int }

func (r *root) done() *string                            { r.resolved++; s := "done"; return &s }
func (r *root) Nothing() *string                         { return nil }
func (r *root) First() *string                           { return r.done() }
func (r *root) Second(struct{ Text string }) *string     { return r.done() }
func (r *root) Paint(struct{ Colour string }) *string    { return r.done() }
func (r *root) Last() *string                            { return r.done() }

func main() {
	r := &root{}
	s := gql.MustParseSchema(schema, r)

	a := s.Exec(context.Background(), `mutation($c: Colour!) { first paint(colour: $c) last }`, "", map[string]any{"c": "BLUE"})
	data := "null"
	if a.Data != nil {
		data = string(a.Data)
	}
	fmt.Printf("String for an enumeration's value: %d resolved, data %s\n", r.resolved, data)

	r.resolved = 0
	a = s.Exec(context.Background(), `mutation($t: String!) { first second(text: $t) last }`, "", map[string]any{"t": []any{"a value"}})
	quotes := len(a.Errors) == 1 && strings.Contains(a.Errors[0].Message, "a value")
	fmt.Printf("list for a String: %d resolved, data %s, errors %d, quotes the value %v\n", r.resolved, a.Data, len(a.Errors), quotes)
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/graph-gophers/graphql-go@v1.11.0 >/dev/null 2>&1
go run . > seen
cat seen
cat > expected <<'TEXT'
String for an enumeration's value: 0 resolved, data null
list for a String: 1 resolved, data {"first":"done"}, errors 1, quotes the value true
TEXT
cmp expected seen
