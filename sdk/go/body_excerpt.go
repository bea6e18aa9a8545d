package farebox

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"regexp"
	"strings"
)

const startBytes = 12

// reader reads one kind of body, and holds nothing of it that is not kept.
type reader interface {
	feed(data []byte)
	// finish returns the excerpt, as text or in base64.
	finish() (text, encoded string)
	// saidAll tells whether the body has said itself that nothing follows.
	saidAll() bool
}

// bodyExcerpt makes the excerpt of a response's body in the framing it has: JSON, JSON lines, a list,
// server-sent events, an AWS event stream.
type bodyExcerpt struct {
	contentType string
	start       []byte
	reader      reader
}

func newBodyExcerpt(contentType string) *bodyExcerpt {
	return &bodyExcerpt{contentType: strings.ToLower(contentType)}
}

func (b *bodyExcerpt) feed(data []byte) {
	if b.reader != nil {
		b.reader.feed(data)
		return
	}
	begun := append(b.start, data...)
	text := withoutStart(begun)
	if len(text) < startBytes && (len(text) == 0 || (text[0] != '{' && text[0] != '[')) {
		b.start = begun
		return
	}
	b.start, b.reader = nil, b.choose(text)
	b.reader.feed(text)
}

func (b *bodyExcerpt) finish() (text, encoded string) {
	if rest := withoutStart(b.start); b.reader == nil && len(rest) > 0 {
		b.reader = b.choose(rest)
		b.reader.feed(rest)
	}
	if b.reader == nil {
		return "", ""
	}
	return b.reader.finish()
}

func (b *bodyExcerpt) saidAll() bool {
	return b.reader != nil && b.reader.saidAll()
}

func (b *bodyExcerpt) choose(text []byte) reader {
	switch {
	case text[0] == 0 || strings.Contains(b.contentType, "amazon.eventstream"):
		return &eventStream{documents: newDocuments()}
	case text[0] == '[':
		return newLines(true)
	case text[0] == '{':
		return newLines(false)
	case strings.Contains(b.contentType, "event-stream") || sseStart.Match(text):
		return &events{json: newJSONExcerpt(responseTree), documents: newDocuments()}
	}
	return ignored{} // sound, a picture, a page
}

var sseStart = regexp.MustCompile(`^(?:data|event|id|retry)?:`)

func withoutStart(data []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \n\r\t")
}

type ignored struct{}

func (ignored) feed([]byte)              {}
func (ignored) finish() (string, string) { return "", "" }
func (ignored) saidAll() bool            { return false }

// lines reads one JSON document, or one after the other, or a list of them.
type lines struct {
	json      *jsonExcerpt
	documents *documents
	begun     bool
	isList    bool
	opened    bool
	closed    bool
}

func newLines(isList bool) *lines {
	return &lines{json: newJSONExcerpt(responseTree), documents: newDocuments(), isList: isList}
}

func (l *lines) feed(data []byte) {
	for at := 0; at < len(data) && !l.json.broken; {
		if !l.begun {
			if l.isSeparator(data[at]) {
				at++
				continue
			}
			l.begun = true
		}
		at += l.json.feed(data[at:])
		if l.json.done {
			l.documents.full = l.documents.full || l.json.overflowed
			text := string(l.json.out)
			l.documents.add(text, text)
			l.json.reset()
			l.begun = false
		}
	}
}

func (l *lines) isSeparator(b byte) bool {
	if l.isList {
		switch {
		case b == '[' && !l.opened:
			l.opened = true
			return true
		case b == ']':
			l.closed = true
			return true
		case b == ',':
			return true
		}
	}
	return b == '\n' || b == ' ' || b == '\r' || b == '\t'
}

func (l *lines) finish() (string, string) {
	texts := l.documents.texts()
	if l.begun {
		texts = append(texts, string(l.json.out)) // what is cut off, or no JSON
	}
	if !l.isList {
		return strings.Join(texts, "\n"), ""
	}
	text := "[" + strings.Join(texts, ",")
	if l.closed {
		text += "]"
	}
	return text, ""
}

func (l *lines) saidAll() bool {
	return !l.begun && l.documents.count > 0 && (!l.isList || l.closed)
}

// events reads server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html
type events struct {
	json        *jsonExcerpt
	documents   *documents
	field       []byte // the start of a line that does not tell yet what it is
	isTold      bool
	isData      bool
	payload     []byte // how the event's data begins
	last        string
	afterReturn bool
}

func (e *events) feed(data []byte) {
	for at := 0; at < len(data); {
		b := data[at]
		if b == '\n' && e.afterReturn {
			e.afterReturn = false
			at++
			continue
		}
		e.afterReturn = false
		switch {
		case b == '\n' || b == '\r':
			e.afterReturn = b == '\r'
			if !e.isTold && len(e.field) == 0 {
				e.event()
			}
			e.isTold, e.field = false, e.field[:0]
			at++
		case !e.isTold:
			e.field = append(e.field, b)
			e.isData = string(e.field) == "data:"
			e.isTold = e.isData || !strings.HasPrefix("data:", string(e.field))
			at++
		default:
			end := len(data)
			if found := bytes.IndexAny(data[at:], "\r\n"); found >= 0 {
				end = at + found
			}
			if e.isData {
				e.take(data[at:end])
			}
			at = end
		}
	}
}

func (e *events) take(data []byte) {
	if len(e.payload) < 16 {
		piece := data
		if len(piece) > 24 {
			piece = piece[:24]
		}
		e.payload = append(e.payload, bytes.TrimSpace(piece)...)
	}
	if len(e.payload) == 0 || e.payload[0] != '[' {
		e.json.feed(data)
	}
}

func (e *events) event() {
	payload := string(e.payload)
	switch {
	case strings.HasPrefix(payload, "["):
		if len(payload) < 16 {
			e.documents.add("data: "+payload+"\n\n", payload)
		}
	case payload != "" && len(e.json.out) > 0:
		e.documents.full = e.documents.full || e.json.overflowed
		text := string(e.json.out)
		e.documents.add("data: "+text+"\n\n", text)
	}
	if payload != "" {
		e.last = payload
	}
	e.payload = e.payload[:0]
	e.json.reset()
}

func (e *events) finish() (string, string) {
	e.event()
	return strings.Join(e.documents.texts(), ""), ""
}

func (e *events) saidAll() bool { return e.last == "[DONE]" }

const (
	messageBytesMax = 24 << 20
	piece           = "PayloadPart" // whose payload is a piece of text: what SageMaker's containers stream
)

// eventStream reads an AWS event stream and keeps its messages with their headers, payloads cut down.
// https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
type eventStream struct {
	held        []byte
	documents   *documents
	broken      bool
	text        *bodyExcerpt
	textHeaders []byte
}

func (e *eventStream) feed(data []byte) {
	if e.broken {
		return
	}
	e.held = append(e.held, data...)
	at := 0
	for len(e.held)-at >= startBytes {
		size := int(binary.BigEndian.Uint32(e.held[at:]))
		if size < 16 || size > messageBytesMax {
			e.broken, e.held = true, nil
			return
		}
		if len(e.held)-at < size {
			break
		}
		e.message(e.held[at : at+size])
		at += size
	}
	e.held = append(e.held[:0], e.held[at:]...)
}

func (e *eventStream) message(message []byte) {
	headersEnd := startBytes + int(binary.BigEndian.Uint32(message[4:]))
	if headersEnd > len(message)-4 {
		e.broken = true
		return
	}
	headers, payload := message[startBytes:headersEnd], message[headersEnd:len(message)-4]
	if bytes.Contains(headers, []byte(piece)) {
		if e.text == nil {
			e.text, e.textHeaders = newBodyExcerpt("text/event-stream"), append([]byte(nil), headers...)
		}
		e.text.feed(payload)
		return
	}
	text := excerptedPayload(payload)
	e.documents.add(framed(headers, text), string(headers)+text)
}

func (e *eventStream) finish() (string, string) {
	frames := e.documents.texts()
	if e.text != nil {
		text, _ := e.text.finish()
		frames = append(frames, framed(e.textHeaders, text))
	}
	if len(e.held) > 0 {
		cut := e.held
		if len(cut) > 8 {
			cut = cut[:8]
		}
		frames = append(frames, string(cut)) // it broke off
	}
	return "", base64.StdEncoding.EncodeToString([]byte(strings.Join(frames, "")))
}

func (e *eventStream) saidAll() bool { return false }

var envelope = regexp.MustCompile(`^\s*\{[^{}]*?"bytes"\s*:\s*"([A-Za-z0-9+/=\\]*)"`)

// excerptedPayload returns a payload's excerpt; one that holds another in base64 keeps that one's.
func excerptedPayload(payload []byte) string {
	if found := envelope.FindSubmatch(payload); found != nil {
		inner, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(found[1]), `\/`, "/"))
		if err == nil {
			return `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(cutPayload(inner))) + `"}`
		}
	}
	return cutPayload(payload)
}

func cutPayload(payload []byte) string {
	json := newJSONExcerpt(responseTree)
	json.feed(payload)
	if !json.done {
		return ""
	}
	return string(json.out)
}

func framed(headers []byte, text string) string {
	message := make([]byte, 12, 16+len(headers)+len(text))
	binary.BigEndian.PutUint32(message, uint32(16+len(headers)+len(text)))
	binary.BigEndian.PutUint32(message[4:], uint32(len(headers)))
	binary.BigEndian.PutUint32(message[8:], crc32.ChecksumIEEE(message[:8]))
	message = append(append(message, headers...), text...)
	return string(binary.BigEndian.AppendUint32(message, crc32.ChecksumIEEE(message)))
}
