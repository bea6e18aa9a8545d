package farebox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// uuid7 returns a UUIDv7 (RFC 9562).
func uuid7() string {
	var id [16]byte
	_, _ = rand.Read(id[6:])
	millis := time.Now().UnixMilli()
	for at := 5; at >= 0; at-- {
		id[at] = byte(millis)
		millis >>= 8
	}
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	digits := hex.EncodeToString(id[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

var (
	naming     sync.Once
	sourceName string
	unsafeName = regexp.MustCompile(`[^\w.-]+`)
)

// source returns what events call their writer: one name for every process of a program on a machine.
func source() string {
	naming.Do(func() {
		machine, _ := os.Hostname()
		for _, place := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
			if id, err := os.ReadFile(place); err == nil {
				machine += strings.TrimSpace(string(id))
				break
			}
		}
		sourceName = "go:" + digest(machine)[:8] + ":" + program()
	})
	return sourceName
}

func program() string {
	name := unsafeName.ReplaceAllString(filepath.Base(os.Args[0]), "_")
	if len(name) > 40 {
		name = name[:40]
	}
	if name == "" {
		return "go"
	}
	return name
}
