package farebox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
)

const (
	atValue = iota
	atKey
	atColon
	atComma
	inString
	inLiteral
	inSkipped
)

const (
	depthMax       = 128
	keyBytesMax    = 128
	textBytesMax   = 1024
	textMax        = 256
	lengthBytesMax = 256 * 1024
	literalMax     = 64
	outMax         = 64 * 1024
)

type frame struct {
	spec   spec
	isList bool
	count  int // entries written
}

// jsonExcerpt cuts JSON documents down to what a tree keeps, while they pass, in pieces of any size.
//
// Numbers are copied as they are written: an amount never becomes a float. Nothing but what is kept is held.
type jsonExcerpt struct {
	root       *node
	out        []byte
	done       bool
	broken     bool
	overflowed bool // more was to be kept than is kept of any document

	state       int
	frames      []frame
	spec        spec // what is kept of the value that comes
	key         []byte
	depth       int // of what is skipped
	isKey       bool
	escaped     bool
	isKept      bool
	kept        []byte
	keepMax     int
	size        int
	literal     []byte
	afterString int
}

func newJSONExcerpt(root *node) *jsonExcerpt {
	made := &jsonExcerpt{root: root}
	made.reset()
	return made
}

// reset begins another document.
func (j *jsonExcerpt) reset() {
	*j = jsonExcerpt{
		root: j.root, out: j.out[:0], frames: j.frames[:0], kept: j.kept[:0], literal: j.literal[:0],
		spec: spec{keep: keepNode, node: j.root}, state: atValue, afterString: atComma,
	}
}

// feed takes in bytes and returns how many belong to the document.
func (j *jsonExcerpt) feed(data []byte) int {
	at := 0
	for at < len(data) && !j.done && !j.broken {
		switch j.state {
		case inString:
			at = j.takeString(data, at)
		case inSkipped:
			at = j.skip(data, at)
		case inLiteral:
			at = j.takeLiteral(data, at)
		default:
			b := data[at]
			if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
				j.token(b)
			}
			if j.state != inLiteral || b <= ' ' {
				at++ // a literal begins with this byte
			}
		}
	}
	return at
}

func (j *jsonExcerpt) inList() bool {
	return len(j.frames) > 0 && j.frames[len(j.frames)-1].isList
}

func (j *jsonExcerpt) token(b byte) {
	switch j.state {
	case atValue:
		switch {
		case b == '"':
			j.beginString(false)
		case b == '{' || b == '[':
			j.open(b == '[')
		case b == ']' && j.inList():
			j.close()
		case b == '}' || b == ',' || b == ':' || b == ']':
			j.broken = true
		default:
			j.state, j.literal = inLiteral, j.literal[:0]
		}
	case atKey:
		switch b {
		case '"':
			j.beginString(true)
		case '}':
			j.close()
		default:
			j.broken = true
		}
	case atColon:
		j.state, j.broken = atValue, b != ':'
	default:
		switch {
		case b == ',' && j.inList():
			j.state, j.spec = atValue, j.frames[len(j.frames)-1].spec
		case b == ',':
			j.state = atKey
		case b == '}' || b == ']':
			j.close()
		default:
			j.broken = true
		}
	}
}

func (j *jsonExcerpt) open(isList bool) {
	isMark := j.spec.keep == keepMark || (j.spec.keep == keepNode && j.spec.node.marks)
	descends := j.spec.keep == keepUsage || j.spec.keep == keepNode || (isMark && isList)
	if !descends || len(j.frames) >= depthMax || len(j.out) > outMax {
		j.overflowed = j.overflowed || descends
		if isMark {
			j.write([]byte("1")) // an object is there
		}
		j.state, j.depth = inSkipped, 1
		return
	}
	if isList {
		j.write([]byte("["))
		j.state = atValue
	} else {
		j.write([]byte("{"))
		j.state = atKey
	}
	j.frames = append(j.frames, frame{j.spec, isList, 0})
}

func (j *jsonExcerpt) close() {
	if len(j.frames) == 0 {
		j.broken = true
		return
	}
	top := j.frames[len(j.frames)-1]
	j.frames = j.frames[:len(j.frames)-1]
	switch {
	case top.isList:
		j.out = append(j.out, ']')
	case top.count == 0 && top.spec.keep == keepNode && top.spec.node.marks:
		j.out = append(j.out[:len(j.out)-1], `"error"`...) // without a code it is one all the same
	default:
		j.out = append(j.out, '}')
	}
	j.valueEnds()
}

func (j *jsonExcerpt) valueEnds() {
	if len(j.frames) == 0 {
		j.done = true
	} else {
		j.state = atComma
	}
}

func (j *jsonExcerpt) skip(data []byte, at int) int {
	for at < len(data) {
		b := data[at]
		at++
		switch b {
		case '"':
			j.isKept, j.isKey, j.size = false, false, 0
			j.afterString, j.state = inSkipped, inString
			return at
		case '{', '[':
			j.depth++
		case '}', ']':
			j.depth--
			if j.depth == 0 {
				j.valueEnds()
				return at
			}
		}
	}
	return at
}

// write writes a value, with its comma and its key.
func (j *jsonExcerpt) write(text []byte) {
	if len(j.frames) > 0 {
		if len(j.out) > outMax {
			j.overflowed = true
			return
		}
		top := &j.frames[len(j.frames)-1]
		if top.count > 0 {
			j.out = append(j.out, ',')
		}
		top.count++
		if !top.isList {
			j.out = append(append(append(j.out, '"'), j.key...), `":`...)
		}
	}
	j.out = append(j.out, text...)
}

func (j *jsonExcerpt) beginString(isKey bool) {
	k := j.spec.keep
	j.isKey, j.state, j.size, j.kept = isKey, inString, 0, j.kept[:0]
	j.afterString, j.keepMax = atComma, textBytesMax
	j.isKept = k == keepScalar || k == keepUsage || k == keepMark || k == keepLength || (k == keepNode && j.spec.node.marks)
	if k == keepLength {
		j.keepMax = lengthBytesMax
	}
	if isKey {
		j.isKept, j.afterString, j.keepMax = true, atColon, keyBytesMax
	}
}

func (j *jsonExcerpt) takeString(data []byte, start int) int {
	at := start
	if j.escaped {
		j.escaped = false
		at++
	}
	quote := -1
	for {
		if quote < at {
			quote = len(data)
			if found := bytes.IndexByte(data[at:], '"'); found >= 0 {
				quote = at + found
			}
		}
		escape := bytes.IndexByte(data[at:quote], '\\')
		if escape < 0 {
			break
		}
		at += escape + 2
		if at > len(data) {
			j.escaped, at = true, len(data)
		}
		if at >= len(data) {
			j.hold(data[start:])
			return len(data)
		}
	}
	j.hold(data[start:quote])
	if quote == len(data) {
		return quote
	}
	j.stringEnds()
	return quote + 1
}

func (j *jsonExcerpt) hold(piece []byte) {
	j.size += len(piece)
	if j.isKept && len(j.kept) < j.keepMax {
		if room := j.keepMax - len(j.kept); len(piece) > room {
			piece = piece[:room]
		}
		j.kept = append(j.kept, piece...)
	}
}

func (j *jsonExcerpt) stringEnds() {
	j.state = j.afterString
	switch {
	case j.state == inSkipped:
	case j.isKey:
		j.keyIs()
	default:
		if j.isKept {
			j.keepText()
		}
		j.valueEnds()
	}
}

func (j *jsonExcerpt) keyIs() {
	j.key = append(j.key[:0], j.kept...)
	name, ok := string(j.kept), j.size <= keyBytesMax
	if ok && bytes.IndexByte(j.kept, '\\') >= 0 {
		ok = json.Unmarshal([]byte(`"`+name+`"`), &name) == nil
	}
	within := j.frames[len(j.frames)-1].spec
	switch {
	case !ok:
		j.spec = spec{}
	case within.keep == keepUsage:
		j.spec = within
	case within.keep == keepNode:
		j.spec = within.node.under(name)
	default:
		j.spec = spec{}
	}
}

func (j *jsonExcerpt) keepText() {
	switch {
	case j.spec.keep == keepUsage && j.frames[len(j.frames)-1].spec.keep != keepUsage:
		// a text where usage would be an object
	case j.spec.keep == keepLength:
		var text string
		if j.size <= lengthBytesMax && json.Unmarshal([]byte(`"`+string(j.kept)+`"`), &text) == nil {
			j.write([]byte(fmt.Sprintf(`{"@length":%d}`, len([]rune(text)))))
		}
	case j.spec.keep == keepMark && j.size == 0:
		j.write([]byte(`""`))
	case j.spec.keep == keepMark:
		j.write([]byte(`"` + hashed(j.kept, j.size) + `"`))
	case j.spec.keep == keepNode:
		j.write([]byte(`"error"`))
	case j.size <= textBytesMax && len(utf16.Encode([]rune(string(j.kept)))) <= textMax:
		j.write([]byte(`"` + string(j.kept) + `"`))
	}
}

func (j *jsonExcerpt) takeLiteral(data []byte, at int) int {
	for ; at < len(data); at++ {
		b := data[at]
		if b <= ' ' || b == ',' || b == '}' || b == ']' {
			j.literalEnds()
			return at
		}
		if len(j.literal) < literalMax {
			j.literal = append(j.literal, b)
		}
	}
	return at
}

func (j *jsonExcerpt) literalEnds() {
	k := j.spec.keep
	isKept := k == keepUsage || ((k == keepScalar || k == keepMark) && !j.inList())
	if isKept && isLiteral(j.literal) {
		j.write(j.literal)
	}
	j.valueEnds()
}

func isLiteral(text []byte) bool {
	switch string(text) {
	case "true", "false", "null":
		return true
	}
	return json.Valid(text) && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))
}

// hashed returns what tells a text from others and says nothing of it.
func hashed(text []byte, size int) string {
	hash := uint32(0x811c9dc5)
	for _, b := range text {
		hash = (hash ^ uint32(b)) * 0x01000193
	}
	return fmt.Sprintf("%08x%s", hash, strconv.FormatInt(int64(size), 16))
}
