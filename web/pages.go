package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// Pages are the parsed templates of one door. A folder holds one file per page; files that begin with "_" are shared by
// all of them, and one of those defines "layout" (go:embed leaves such files out unless told all:). Data that pages need on every turn (language, addresses) are methods of the
// page's data: html/template binds functions when it parses, which is too early to know the reader.
type Pages struct{ pages map[string]*template.Template }

// ParsePages reads all *.html in the root of fsys. An error means a broken template: the program does not start.
func ParsePages(fsys fs.FS, funcs template.FuncMap) (*Pages, error) {
	files, err := fs.Glob(fsys, "*.html")
	if err != nil {
		return nil, err
	}
	shared := template.New("").Funcs(funcs).Option("missingkey=error")
	for _, f := range files {
		if strings.HasPrefix(f, "_") {
			if _, err := shared.ParseFS(fsys, f); err != nil {
				return nil, err
			}
		}
	}
	p := &Pages{pages: map[string]*template.Template{}}
	for _, f := range files {
		if strings.HasPrefix(f, "_") {
			continue
		}
		clone, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		page, err := clone.ParseFS(fsys, f)
		if err != nil {
			return nil, err
		}
		if page.Lookup("layout") == nil {
			return nil, fmt.Errorf("page %s: no shared file defines the layout", f)
		}
		p.pages[strings.TrimSuffix(f, ".html")] = page
	}
	return p, nil
}

// Render executes "layout" for a page into a buffer and sends it with the given status.
func (p *Pages) Render(w http.ResponseWriter, status int, page string, data any) error {
	return p.Fragment(w, status, page, "layout", data)
}

// Fragment sends one named block of a page: what a script puts in place of a part.
func (p *Pages) Fragment(w http.ResponseWriter, status int, page, block string, data any) error {
	t, ok := p.pages[page]
	if !ok {
		return fmt.Errorf("no page %q", page)
	}
	var buf bytes.Buffer
	if err := t.ExecuteTemplate(&buf, block, data); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the client has gone: nobody is left to tell
	return nil
}

// Assets are the style sheets and scripts of one door, under names that hold the SHA-256 of their content: a browser may
// keep them for ever, and a new version has a new name.
type Assets struct {
	prefix string
	urls   map[string]string // file name → path
	files  map[string]asset  // path below prefix → content
}

type asset struct {
	kind    string
	content []byte
}

// LoadAssets reads all files in the root of fsys; they are served below prefix, such as "/admin/assets/".
func LoadAssets(fsys fs.FS, prefix string) (*Assets, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	a := &Assets{prefix: prefix, urls: map[string]string{}, files: map[string]asset{}}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			return nil, err
		}
		if path.Ext(e.Name()) == ".css" {
			content = leanStyle(content)
		}
		a.Add(e.Name(), content)
	}
	return a, nil
}

var (
	styleComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	styleSpace   = regexp.MustCompile(`\s*([{};])\s*`)
)

// leanStyle takes out of a style sheet what is for its authors: shoppers wait for it before they see anything. Our own have no
// braces or semicolons within quotes.
func leanStyle(css []byte) []byte {
	return styleSpace.ReplaceAll(styleComment.ReplaceAll(css, nil), []byte("$1"))
}

// Add serves one more file: what two doors share.
func (a *Assets) Add(name string, content []byte) {
	hashed := HashedName(name, content)
	a.urls[name] = a.prefix + hashed
	a.files[hashed] = asset{kind: contentType(name), content: content}
}

// HashedName puts the hash of the content before the extension: "site.css" → "site-3f2ab91c0d4e5f67.css".
func HashedName(name string, content []byte) string {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:8]) + ext
}

// URL returns the path of a file; an unknown name is a programmer's error, and panics when the page is first tried.
func (a *Assets) URL(name string) string {
	u, ok := a.urls[name]
	if !ok {
		panic("web: no asset " + name)
	}
	return u
}

// Serve answers a GET for the path, which begins with the prefix; NoSuchPage when there is no such file.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, urlPath string) error {
	f, ok := a.files[strings.TrimPrefix(urlPath, a.prefix)]
	if !ok {
		return NoSuchPage()
	}
	ServeAsset(w, f.kind, f.content, true)
	return nil
}

// ServeAsset sends one asset; forever is for names that hold a hash of their content.
func ServeAsset(w http.ResponseWriter, kind string, content []byte, forever bool) {
	w.Header().Set("Content-Type", kind)
	if forever {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(content)
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// SeeOther ends a POST: the browser gets the page at a path of this door with GET, and a reload posts nothing again.
func SeeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// Furnish reads what a door embeds: its pages, in the folder pages, and its assets, in the folder assets, which are served
// below prefix. A broken template is an error, so that no program starts with one.
func Furnish(files fs.FS, prefix string) (*Pages, *Assets, error) {
	folder, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, nil, err
	}
	pages, err := ParsePages(folder, nil)
	if err != nil {
		return nil, nil, err
	}
	if folder, err = fs.Sub(files, "assets"); err != nil {
		return nil, nil, err
	}
	assets, err := LoadAssets(folder, prefix)
	return pages, assets, err
}
