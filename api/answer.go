package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

// render writes a bare JSON value, as all of Commerce's answers are.
func render(w http.ResponseWriter, status int, answer any) error {
	raw, isJSON := answer.(json.RawMessage)
	if !isJSON {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // it is no HTML, and nosniff is on every answer
		if err := e.Encode(answer); err != nil {
			return err
		}
		raw = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, err := w.Write(raw)
	_ = err // the client has gone: nobody is left to tell
	return nil
}

// failure is the shape of Commerce's errors. Message keeps its placeholders, which Parameters fill: a list for %1, an
// object for %name.
type failure struct {
	Message    string   `json:"message"`
	Errors     []single `json:"errors,omitempty"`
	Parameters any      `json:"parameters,omitempty"`
}

// single is one of several errors of one request.
type single struct {
	Message    string `json:"message"`
	Parameters any    `json:"parameters,omitempty"`
}

const requiredText = `"%fieldName" is required. Enter and try again.`

// several stands above more than one error.
const several = "One or more input exceptions have occurred."

// words is how one error reads: the text with its placeholders, and what fills them.
type words struct {
	status  int      // 0: by the kind of the fault
	message string   // "": the fault's own sentence
	names   []string // of the fault's Args that become parameters
	ordered bool     // the parameters are a list, for %1
}

// texts is the one table of how errors read, by the key of the fault or refusal. What is not in it reads as the fault says
// itself, with Commerce's status for its kind.
var texts = map[string]words{
	// The token or the password was not right. Commerce answers 401 to an address that is not confirmed as well.
	"admin.incorrect":        {status: 401, message: "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."},
	"signin.incorrect":       {status: 401, message: "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."},
	"signin.locked":          {status: 401, message: "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."},
	"signin.unconfirmed":     {status: 401, message: "This account isn't confirmed. Verify and try again."},
	"password.current_wrong": {status: 401, message: "The password doesn't match this account. Verify the password and try again."},
	keyScope:                 {status: 403},
	"token.dead":             {status: 401, message: "The consumer isn't authorized to access %resources.", names: []string{"resources"}},

	// A link that is unknown, used, old, of another customer or of another website is one answer: Commerce tells them apart.
	"link.expired": {status: 400, message: "The password token is mismatched. Reset and try again."},

	// Rules of passwords.
	"password.too_long":  {message: "Please enter a password with at most %1 characters.", names: []string{"Max"}, ordered: true},
	"password.too_short": {message: "The password needs at least %1 characters. Create a new password and try again.", names: []string{"Min"}, ordered: true},
	"password.classes": {message: "Minimum of different classes of characters in password is %1. " +
		"Classes of characters: Lower Case, Upper Case, Digits, Special Characters.", names: []string{"Classes"}, ordered: true},

	// Names and addresses.
	"email.required": {message: requiredText, names: []string{"fieldName"}},
	"name.required":  {message: requiredText, names: []string{"fieldName"}},
	"name.too_long":  {message: `"%fieldName" may have at most %Max characters.`, names: []string{"fieldName", "Max"}},
	"name.invalid":   {message: `"%fieldName" contains characters that do not belong in a name.`, names: []string{"fieldName"}},

	// A search.
	"search.value":     {message: `Invalid value of "%value" provided for the %fieldName field.`, names: []string{"value", "fieldName"}},
	"search.page_size": {message: "Maximum SearchCriteria pageSize is %max", names: []string{"max"}},

	// What the request itself lacks or has too much of.
	keyRequired: {message: requiredText, names: []string{"fieldName"}},
	keyType: {message: `Error occurred during "%fieldName" processing. The "%value" value's type is invalid. ` +
		`The "%type" type was expected. Verify and try again.`, names: []string{"fieldName", "value", "type"}},
	keyTooLong: {message: `"%fieldName" may have at most %max bytes.`, names: []string{"fieldName", "max"}},
	keyValue:   {message: `Invalid value of "%value" provided for the %fieldName field.`, names: []string{"value", "fieldName"}},
	keyTemplate: {message: `Invalid value of "%value" provided for the %fieldName field. Possible values: %template1 or %template2.`,
		names: []string{"value", "fieldName", "template1", "template2"}},
	keyEntity:      {message: "No such entity with %fieldName = %fieldValue", names: []string{"fieldName", "fieldValue"}},
	keyFixed:       {message: `"%fieldName" cannot be changed by the web API. Leave it out and try again.`, names: []string{"fieldName"}},
	keyUndecodable: {message: "Decoding error. %details", names: []string{"details"}},
	keyMedia: {status: http.StatusUnsupportedMediaType,
		message: "Server cannot understand Content-Type HTTP header media type %1", names: []string{"media"}, ordered: true},
	keyAccept: {status: http.StatusNotAcceptable, message: "Server cannot match any of the given Accept HTTP header media type(s) from the request: " +
		`"%1" with media types from the config of response renderer. It answers application/json only.`, names: []string{"accept"}, ordered: true},
	keyTooLarge: {status: http.StatusRequestEntityTooLarge, message: "The body may have at most %max bytes.", names: []string{"max"}},
	keyRoute:    {message: "Request does not match any route."},

	"internal": {message: "Internal Error. Details are available in the log. Report ID: %1", names: []string{"RequestID"}, ordered: true},
}

// Keys of the refusals that this door makes itself.
const (
	keyRequired    = "api.required"
	keyType        = "api.type"
	keyTooLong     = "api.too_long"
	keyValue       = "api.value"
	keyTemplate    = "api.template"
	keyEntity      = "api.entity"
	keyFixed       = "api.fixed"
	keyUndecodable = "api.undecodable"
	keyMedia       = "api.media"
	keyAccept      = "api.accept"
	keyTooLarge    = "api.too_large"
	keyRoute       = "api.route"
	keyScope       = "api.insufficient_scope"
)

// Fail renders an error in Commerce's shape. It is this door's web.Renderer, and may be the listener's for refusals below
// Root that no door has seen.
func Fail(w http.ResponseWriter, _ *http.Request, f web.Failure) {
	out := failure{}
	if len(f.Faults) > 1 {
		out.Message = several
		for _, one := range f.Faults {
			out.Errors = append(out.Errors, say(one.Key, one.Text, one.Field, one.Args))
		}
	} else {
		field := ""
		if len(f.Faults) == 1 {
			field = f.Faults[0].Field
		}
		said := say(f.Key, f.Text, field, f.Args)
		out.Message, out.Parameters = said.Message, said.Parameters
	}
	status := statusOf(f)
	switch {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case f.Key == keyScope:
		challenge := `Bearer error="insufficient_scope"`
		if scope, _ := f.Args["scope"].(string); scope != "" {
			challenge += `, scope="` + scope + `"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	_ = render(w, status, out) // strings and numbers always marshal
}

// statusOf is Commerce's status of an error: 400 for everything that is not about who calls, what exists or how often.
func statusOf(f web.Failure) int {
	if said := texts[f.Key]; said.status != 0 {
		return said.status
	}
	switch f.Kind {
	case fault.Invalid, fault.Expired, fault.Conflict:
		if len(f.Faults) > 0 {
			return http.StatusBadRequest
		}
	case fault.Forbidden:
		if len(f.Faults) > 0 {
			return http.StatusUnauthorized
		}
	}
	return f.Status
}

// say puts an error into words. field is what it is about, for placeholders that name it.
func say(key, text, field string, args map[string]any) single {
	known, ok := texts[key]
	if !ok {
		return single{Message: text}
	}
	said := single{Message: known.message}
	if said.Message == "" {
		said.Message = text
	}
	if len(known.names) == 0 {
		return said
	}
	value := func(name string) any {
		if v, ok := args[name]; ok || name != "fieldName" {
			return v
		}
		return field
	}
	if known.ordered {
		list := make([]any, len(known.names))
		for i, name := range known.names {
			list[i] = value(name)
		}
		said.Parameters = list
		return said
	}
	byName := make(map[string]any, len(known.names))
	for _, name := range known.names {
		byName[name] = value(name)
	}
	said.Parameters = byName
	return said
}

func refuse(kind fault.Kind, key, text string, args map[string]any) error {
	e := fault.New(kind, key, text)
	e.Args = args
	return e
}

func noSuchRoute() error {
	return refuse(fault.NotFound, keyRoute, "Request does not match any route.", nil)
}

// notAuthorized is the answer to a missing, unknown, expired or revoked token: Commerce takes all of them for a guest.
func notAuthorized() error {
	return refuse(fault.Unauthenticated, "token.dead", "The token is unknown, has expired or was revoked.",
		map[string]any{"resources": "self"})
}

func required(name string) error {
	return refuse(fault.Invalid, keyRequired, name+" is required.", map[string]any{"fieldName": name})
}

// wrongType names the type that was sent, not the value: it may be a password.
func wrongType(name string, value any, wanted string) error {
	return refuse(fault.Invalid, keyType, name+" has the wrong type.",
		map[string]any{"fieldName": name, "value": typeOf(value), "type": wanted})
}

func typeOf(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	}
	return "object"
}

func tooLong(name string) error {
	return refuse(fault.Invalid, keyTooLong, name+" is too long.", map[string]any{"fieldName": name, "max": web.MaxField})
}

func invalidValue(name, value string) error {
	return refuse(fault.Invalid, keyValue, name+" is invalid.", map[string]any{"fieldName": name, "value": shown(value)})
}

func noSuchEntity(name string, value any) error {
	return refuse(fault.NotFound, keyEntity, fmt.Sprintf("There is no entity with this %s.", name),
		map[string]any{"fieldName": name, "fieldValue": value})
}

func fixed(name string) error {
	return refuse(fault.Invalid, keyFixed, name+" cannot be changed by the web API.", map[string]any{"fieldName": name})
}

func undecodable(details string) error {
	return refuse(fault.Invalid, keyUndecodable, details, map[string]any{"details": details})
}

func unknownMedia(media string) error {
	return refuse(fault.Invalid, keyMedia, "The body must be application/json in UTF-8.", map[string]any{"media": shown(media)})
}

func bodyTooLarge() error {
	return refuse(fault.Invalid, keyTooLarge, "The body is too large.", map[string]any{"max": web.MaxBody})
}

func notAcceptable(r *http.Request) error {
	return refuse(fault.Invalid, keyAccept, "The API answers application/json only.",
		map[string]any{"accept": shown(strings.Join(r.Header.Values("Accept"), ", "))})
}

// acceptsJSON judges the header Accept: of the ranges that cover application/json the most specific one decides (RFC 9110
// §12.5.1). No header accepts everything.
func acceptsJSON(r *http.Request) bool {
	given := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(given) == "" {
		return true
	}
	closest, accepted := 0, false
	for part := range strings.SplitSeq(given, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		near := map[string]int{"*/*": 1, "application/*": 2, "application/json": 3}[media]
		if near < closest || near == 0 {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		wanted := err != nil || q > 0 // without a weight it is 1
		accepted = wanted || accepted && near == closest
		closest = near
	}
	return accepted
}
