package farebox

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"strings"
)

//go:embed catalog.json
var catalogText []byte

// What is kept at a place of a document, as the catalog says.
type keep int

const (
	keepNothing keep = iota
	keepScalar       // a number or a short text
	keepUsage        // an object of counts, whole, without long texts
	keepMark         // that there is something, not what
	keepLength       // how long its text is
	keepNode         // what a node says of its keys
)

var keeps = map[string]keep{"scalar": keepScalar, "usage": keepUsage, "mark": keepMark, "length": keepLength}

// spec says what is kept of one value.
type spec struct {
	keep keep
	node *node
}

// node says which keys of an object are kept, and how.
type node struct {
	keys     map[string]spec
	root     *node // whose keys are kept here as well
	marks    bool  // where a text stands in the object's place
	anywhere map[string]bool
}

func (n *node) under(key string) spec {
	if found, ok := n.keys[key]; ok {
		return found
	}
	if n.root != nil {
		if found, ok := n.root.keys[key]; ok {
			return found
		}
	}
	if n.anywhere[key] {
		return spec{keep: keepScalar}
	}
	return spec{}
}

type hostPattern struct {
	pattern  *regexp.Regexp
	provider string
}

var (
	requestTree, responseTree *node
	headersKept               []string
	exactHosts                = map[string]string{}
	hostPatterns              []hostPattern
)

func init() {
	var data struct {
		Anywhere, Headers []string
		Hosts             map[string]string
		Request, Response map[string]any
	}
	if err := json.Unmarshal(catalogText, &data); err != nil {
		panic(err) // the file is part of this package
	}
	anywhere := map[string]bool{}
	for _, name := range data.Anywhere {
		anywhere[name] = true
	}
	requestTree = newNode(data.Request, nil, nil)
	responseTree = newNode(data.Response, nil, anywhere)
	headersKept = data.Headers
	for host, provider := range data.Hosts {
		if strings.Contains(host, "*") {
			body := strings.ReplaceAll(regexp.QuoteMeta(host), `\*`, ".*")
			hostPatterns = append(hostPatterns, hostPattern{regexp.MustCompile("^" + body + "$"), provider})
		} else {
			exactHosts[host] = provider
		}
	}
}

func newNode(tree map[string]any, root *node, anywhere map[string]bool) *node {
	made := &node{keys: map[string]spec{}, marks: tree["@"] == "mark", anywhere: anywhere}
	if tree["@"] == "root" {
		made.root = root
	}
	if root == nil {
		root = made
	}
	for key, inner := range tree {
		switch value := inner.(type) {
		case string:
			if key != "@" {
				made.keys[key] = spec{keep: keeps[value]}
			}
		case map[string]any:
			made.keys[key] = spec{keep: keepNode, node: newNode(value, root, anywhere)}
		}
	}
	return made
}
