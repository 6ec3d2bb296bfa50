package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"text/scanner"

	gql "github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

// Commerce's categories of errors.
const (
	ofSchema         = "graphql" // the document itself
	ofInput          = "graphql-input"
	ofAuthentication = "graphql-authentication"
	ofAuthorization  = "graphql-authorization"
	ofNoSuchEntity   = "graphql-no-such-entity"
)

// keyStore is the key of the refusal of an unknown store code.
const keyStore = "api.store"

// graphWords is how GraphQL says an error differently from REST.
type graphWords struct{ category, message string } // "": by the kind of the fault; as REST says it

var graphTexts = map[string]graphWords{
	"token.dead":             {ofAuthorization, "The current customer isn't authorized."},
	"signin.incorrect":       {category: ofAuthentication},
	"signin.locked":          {category: ofAuthentication},
	"signin.unconfirmed":     {category: ofAuthentication},
	"password.current_wrong": {ofAuthentication, "Invalid login or password."},
}

// graphAnswer is the body of every answer. Errors stand first, as the specification advises.
type graphAnswer struct {
	Errors []graphError    `json:"errors,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

type graphError struct {
	Message    string               `json:"message"`
	Locations  []gqlerrors.Location `json:"locations,omitempty"`
	Path       []any                `json:"path,omitempty"`
	Extensions graphCategory        `json:"extensions"`
}

type graphCategory struct {
	Category string `json:"category"`
}

// answerGraph renders what the resolvers answered. What no caller can mend, and a limit that was reached, is the answer to the
// whole request: the door logs the one and says when to come back for the other.
func (c *call) answerGraph(answered *gql.Response, places map[string]gqlerrors.Location) error {
	if answered.Data == nil || bytes.Equal(answered.Data, []byte("null")) {
		return render(c.w, http.StatusBadRequest, graphAnswer{Errors: misread(answered.Errors)})
	}
	out, status := graphAnswer{Data: answered.Data}, http.StatusOK
	for _, e := range answered.Errors {
		if e.ResolverError == nil {
			return e
		}
		faults := fault.List(e.ResolverError)
		if len(faults) == 0 || fault.Is(e.ResolverError, fault.Limited) || fault.Is(e.ResolverError, fault.Busy) {
			return e.ResolverError
		}
		for _, f := range faults {
			said := graphSay(f)
			said.Path = e.Path
			if at, ok := places[fmt.Sprint(e.Path[0])]; ok {
				said.Locations = []gqlerrors.Location{at}
			}
			out.Errors = append(out.Errors, said)
			status = worse(status, said.Extensions.Category)
		}
	}
	// Fields of a query are resolved at the same time; their errors are told in one order.
	sort.SliceStable(out.Errors, func(i, j int) bool { return fmt.Sprint(out.Errors[i].Path) < fmt.Sprint(out.Errors[j].Path) })
	if status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	return render(c.w, status, out)
}

// worse is Commerce's status for an answer with one more error: who calls weighs most.
func worse(status int, category string) int {
	switch {
	case category == ofAuthentication:
		return http.StatusUnauthorized
	case category == ofAuthorization && status == http.StatusOK:
		return http.StatusForbidden
	}
	return status
}

// graphSay puts one fault into words.
func graphSay(f *fault.Error) graphError {
	words := graphTexts[f.Key]
	e := graphError{Message: words.message, Extensions: graphCategory{words.category}}
	if e.Message == "" {
		e.Message = fill(say(f.Key, f.Text, f.Field, f.Args))
	}
	if e.Extensions.Category != "" {
		return e
	}
	switch f.Kind {
	case fault.Unauthenticated:
		e.Extensions.Category = ofAuthentication
	case fault.Forbidden:
		e.Extensions.Category = ofAuthorization
	case fault.NotFound:
		e.Extensions.Category = ofNoSuchEntity
	default:
		e.Extensions.Category = ofInput
	}
	return e
}

// fill puts the parameters into a text: GraphQL's texts are complete where REST's keep their placeholders.
func fill(said single) string {
	var pairs []string
	switch parameters := said.Parameters.(type) {
	case []any:
		for i, value := range parameters {
			pairs = append(pairs, fmt.Sprintf("%%%d", i+1), fmt.Sprint(value))
		}
	case map[string]any:
		for name, value := range parameters {
			pairs = append(pairs, "%"+name, fmt.Sprint(value))
		}
	}
	return strings.NewReplacer(pairs...).Replace(said.Message)
}

// FailGraph renders an error of a whole request. It is this door's web.Renderer, and may be the listener's for refusals that no
// door has seen.
func FailGraph(w http.ResponseWriter, _ *http.Request, f web.Failure) {
	out := graphAnswer{}
	for _, one := range f.Faults {
		out.Errors = append(out.Errors, graphSay(one))
	}
	if len(out.Errors) == 0 {
		out.Errors = []graphError{{Message: fill(say(f.Key, f.Text, "", f.Args)), Extensions: graphCategory{ofInput}}}
		if f.Internal() {
			out.Errors[0].Extensions.Category = ofSchema
		}
	}
	status := statusOf(f)
	if f.Key == keyStore {
		status = http.StatusOK // Commerce's status of every error in category graphql-input
	}
	_ = render(w, status, out) // strings always marshal
}

// elsewhere are the parts of Commerce's schema that Rekey does not serve, by pieces of the names of their fields.
var elsewhere = []struct {
	pieces []string
	what   string
}{
	{[]string{"asadmin", "otp"}, "an administrator cannot sign in as a customer"},
	{[]string{"externalcustomer"}, "accounts of other providers are not offered"},
	{[]string{"reward", "gift", "store_credit"}, "rewards, gift cards and store credit are kept by the store's commerce system"},
	{[]string{"wishlist"}, "wish lists are kept by the store's commerce system"},
	{[]string{"cart", "checkout", "coupon", "payment", "vault"}, "carts and checkout are kept by the store's commerce system"},
	{[]string{"order", "invoice", "return", "downloadable"}, "orders are kept by the store's commerce system"},
	{[]string{"product", "categor", "review", "compare", "recommend"}, "the catalogue is kept by the store's commerce system"},
	{[]string{"urlresolver", "route", "cms"}, "pages and routes are kept by the store's commerce system"},
	{[]string{"countr", "currency"}, "countries and currencies are kept by the store's commerce system"},
	{[]string{"compan", "segment", "group"}, "companies, groups and segments are kept by the store's commerce system"},
	{[]string{"newsletter"}, "newsletters for guests are kept by the store's commerce system"},
	{[]string{"recaptcha"}, "captchas are not asked for"},
}

var noSuchField = regexp.MustCompile(`^Cannot query field "([^"]+)" on type "(Query|Mutation|Customer|StoreConfig)"`)

// misread words the errors of a document that was not answered: what belongs to others first, because the rest follows from it.
func misread(given []*gqlerrors.QueryError) []graphError {
	var named, rest []graphError
	deep := false
	for _, e := range given {
		out := graphError{Message: e.Message, Locations: e.Locations, Path: e.Path, Extensions: graphCategory{ofSchema}}
		switch {
		case errors.Is(e.Err, gql.ErrTooManySelections):
			out.Message = fmt.Sprintf("The query asks for more than %d fields, fragments included. Send several requests instead.", MaxGraphFields)
		case e.Rule == "MaxDepthExceeded" && deep:
			continue
		case e.Rule == "MaxDepthExceeded":
			deep = true
			out.Message = fmt.Sprintf("The query is nested more than %d deep.", MaxGraphDepth)
		default:
			if m := noSuchField.FindStringSubmatch(e.Message); m != nil {
				if what, ok := servedElsewhere(m[1]); ok {
					out.Message = fmt.Sprintf("The field %q is not served by Rekey: %s.", m[1], what)
					named = append(named, out)
					continue
				}
			}
		}
		rest = append(rest, out)
	}
	all := append(named, rest...)
	return all[:min(len(all), maxGraphErrors)]
}

func servedElsewhere(field string) (what string, ok bool) {
	field = strings.ToLower(field)
	for _, e := range elsewhere {
		if slices.ContainsFunc(e.pieces, func(piece string) bool { return strings.Contains(field, piece) }) {
			return e.what, true
		}
	}
	return "", false
}

// skim counts the aliases of a document and finds where its outermost fields stand, by the names that the answer calls them.
// It reads the same tokens as the library, which counts no aliases and forgets where a field stood. What it cannot
// read is refused there.
func skim(document string) (aliases int, places map[string]gqlerrors.Location) {
	places = map[string]gqlerrors.Location{}
	var s scanner.Scanner
	s.Init(strings.NewReader(document))
	s.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanFloats | scanner.ScanStrings
	s.Error = func(*scanner.Scanner, string) {}
	braces, parens := 0, 0
	for t := s.Scan(); t != scanner.EOF; t = s.Scan() {
		switch {
		case t == '#':
			for r := s.Next(); r != '\n' && r != '\r' && r != scanner.EOF; r = s.Next() {
			}
		case t == scanner.String && s.Peek() == '"':
			skipBlock(&s)
		case t == '(':
			parens++
		case t == ')':
			parens--
		case parens > 0: // arguments: their braces and colons are of values
		case t == '{':
			braces++
		case t == '}':
			braces--
		case t == ':':
			aliases++
		case t == scanner.Ident && braces == 1:
			if _, twice := places[s.TokenText()]; !twice {
				places[s.TokenText()] = gqlerrors.Location{Line: s.Line, Column: s.Column}
			}
		}
	}
	return aliases, places
}

// skipBlock reads to the end of a block string, of which the first two quotes have been read as an empty string.
func skipBlock(s *scanner.Scanner) {
	s.Next()
	for quotes := 0; quotes < 3; {
		switch s.Next() {
		case '"':
			quotes++
		case scanner.EOF:
			return
		default:
			quotes = 0
		}
	}
}
