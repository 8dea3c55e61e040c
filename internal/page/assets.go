package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// Asset is a file that pages need.
type Asset struct {
	Type string // of its content
	Body []byte
}

// loadAssets are the embedded files by a name that changes with their content,
// so that browsers may keep them for ever.
func loadAssets() map[string]Asset {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	assets := map[string]Asset{}
	files, _ := fs.Glob(assetFiles, "assets/*")
	for _, name := range files {
		body, err := assetFiles.ReadFile(name)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(name)
		base := strings.TrimSuffix(path.Base(name), ext)
		assets[base+"."+hex.EncodeToString(sum[:6])+ext] = Asset{types[ext], body}
	}
	return assets
}

// Asset returns the file of a name that a page told.
func (p *Page) Asset(name string) (Asset, bool) {
	a, ok := p.assets[name]
	return a, ok
}

// assetPath is the path of an embedded file, such as style.css.
func (p *Page) assetPath(file string) string {
	ext := path.Ext(file)
	for name := range p.assets {
		if strings.HasPrefix(name, strings.TrimSuffix(file, ext)+".") && path.Ext(name) == ext {
			return "/assets/" + name
		}
	}
	return ""
}
