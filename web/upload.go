package web

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/fault"
)

// MaxUpload is how large a body with a file may be where a door takes one.
const MaxUpload = 4 << 20

// Upload is Form for a form that may carry a file: the named fields, and the long ones, which are files or pasted text and may fill
// the body. A file that was not chosen is not there. Errors: those of Form; a fault about the long field that is no UTF-8 text.
func Upload(r *http.Request, long []string, fields ...string) (Values, error) {
	if !isUpload(r) {
		return Form(r, append(slices.Clone(fields), long...)...)
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return Values{}, errMalformed
	}
	out := Values{fields: map[string]string{}}
	var faults []error
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return out, errors.Join(faults...)
		}
		if err != nil {
			return Values{}, bodyError(err)
		}
		if n == MaxFields {
			return Values{}, errTooLarge
		}
		name := part.FormName()
		known, isLong := slices.Contains(fields, name), slices.Contains(long, name)
		if !known && !isLong {
			if shadows(name, fields) || shadows(name, long) {
				return Values{}, errMalformed
			}
			continue
		}
		if out.Has(name) {
			return Values{}, errMalformed
		}
		most := MaxField
		if isLong {
			most = MaxUpload
		}
		text, err := readPart(part, most)
		switch {
		case errors.Is(err, errTooLong):
			faults = append(faults, fault.Refuse(name, "field.too_long", "This is too long. Please shorten it.", map[string]any{"Max": most}))
		case err != nil:
			return Values{}, err
		case !clean(text) && isLong:
			faults = append(faults, fault.Refuse(name, "malformed", "This is no plain text. Save the list as text in UTF-8, one address a line.", nil))
		case !clean(text):
			return Values{}, errMalformed
		case text != "" || !isLong: // no file was chosen
			out.fields[name] = text
		case part.FileName() != "":
			faults = append(faults, fault.Refuse(name, "required", "This file is empty.", nil))
		}
	}
}

var errTooLong = errors.New("too long")

func readPart(part *multipart.Part, most int) (string, error) {
	body, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
	if err != nil {
		return "", bodyError(err)
	}
	if len(body) > most {
		return "", errTooLong
	}
	return strings.TrimPrefix(string(body), "\ufeff"), nil
}

// shadows tells whether another program could take name for one of ours.
func shadows(name string, ours []string) bool {
	return slices.ContainsFunc(ours, func(one string) bool {
		return strings.EqualFold(name, one) || strings.HasPrefix(strings.ToLower(name), one+"[")
	})
}

func isUpload(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "multipart/form-data"
}

// uploadKey reads the form key of a form with a file, which our pages send before everything else, from the beginning of its body.
func uploadKey(contentType string, beginning io.Reader) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	part, err := multipart.NewReader(beginning, params["boundary"]).NextPart()
	if err != nil || part.FormName() != FormKeyField {
		return ""
	}
	key, err := io.ReadAll(io.LimitReader(part, 256))
	if err != nil {
		return ""
	}
	return string(key)
}
