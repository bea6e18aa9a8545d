package farebox

import (
	"regexp"
	"sort"
	"strings"
)

const (
	softBytes = 48 * 1024
	hardBytes = 192 * 1024
)

type document struct {
	text        string
	first, last int
}

// documents holds those of a stream that say something new. A stream repeats itself: of documents that are the
// same, and later of those that differ in their numbers alone, the first and the last say what all of them do.
type documents struct {
	kept  map[string]*document
	count int
	size  int
	due   int
	full  bool // what came later is missing
}

func newDocuments() *documents {
	return &documents{kept: map[string]*document{}, due: softBytes}
}

// add keeps a document, framed as it was sent; says is what tells it from others.
func (d *documents) add(text, says string) {
	if d.full {
		return
	}
	d.count++
	if known := d.kept[says]; known != nil {
		known.last = d.count
		return
	}
	d.kept[says] = &document{text, d.count, d.count}
	d.size += len(text)
	if d.size > d.due {
		d.compact()
	}
}

func (d *documents) texts() []string {
	type place struct {
		at   int
		text string
	}
	var places []place
	for _, each := range d.kept {
		places = append(places, place{each.first, each.text})
		if each.last != each.first {
			places = append(places, place{each.last, each.text})
		}
	}
	sort.Slice(places, func(a, b int) bool { return places[a].at < places[b].at })
	texts := make([]string, len(places))
	for at, each := range places {
		texts[at] = each.text
	}
	return texts
}

func (d *documents) compact() {
	type ends struct{ first, last string }
	alike := map[string]*ends{}
	for says, each := range d.kept {
		found := alike[shape(says)]
		if found == nil {
			alike[shape(says)] = &ends{says, says}
			continue
		}
		if each.first < d.kept[found.first].first {
			found.first = says
		}
		if each.last > d.kept[found.last].last {
			found.last = says
		}
	}
	kept := map[string]*document{}
	d.size = 0
	for _, each := range alike {
		for _, says := range []string{each.first, each.last} {
			if kept[says] == nil {
				kept[says] = d.kept[says]
				d.size += len(kept[says].text)
			}
		}
	}
	d.kept = kept
	d.due = 2 * d.size
	if d.due < softBytes {
		d.due = softBytes
	}
	d.full = d.size > hardBytes
}

var numbers = regexp.MustCompile(`[:\[,]-?\d[\d.eE+-]*`)

// shape returns a document without its numbers. One that is zero is not alike one that is not.
func shape(text string) string {
	return numbers.ReplaceAllStringFunc(text, func(number string) string {
		if strings.ContainsAny(number, "123456789") {
			return number[:1] + "1"
		}
		return number[:1] + "0"
	})
}
