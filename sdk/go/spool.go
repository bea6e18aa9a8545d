package farebox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	fileBytesMax    = 512 << 10
	appendFor       = 30 * time.Second // whoever reads the folder takes an older file for a dead process's
	deadAfter       = 60 * time.Second
	waitingBytesMax = 4 << 20
	countEvery      = 5 * time.Second
	spoolBytesUsual = 64 << 20
)

// spool keeps events on the disk: one line each, appended at once to a file of this process, which is renamed
// when it is finished. A program that is killed loses none of them.
//
//	<folder>/<name>-<pid>.part      being written
//	<folder>/<name>-<pid>.ndjson    finished: for the next Farebox command, or for the collector
type spool struct {
	sync.Mutex
	home, folder string
	bytesMax     int64
	file         *os.File
	size         int
	openedAt     time.Time
	used         int64
	countAt      time.Time
	waiting      [][]byte // what the disk refuses
	waitingBytes int
	lost         loss
}

type loss struct {
	records, exchanges, bytes int
	from                      time.Time
}

func newSpool(home string, bytesMax int64, folder ...string) *spool {
	if bytesMax == 0 {
		bytesMax = spoolBytesUsual
	}
	return &spool{home: home, folder: filepath.Join(append([]string{home}, folder...)...), bytesMax: bytesMax}
}

// append stores an event; where the disk refuses it, in a bounded memory.
func (s *spool) append(event map[string]any) error {
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	s.Lock()
	defer s.Unlock()
	line := append(text, '\n')
	if err := s.store(line); err != nil {
		s.wait(line)
		return err
	}
	return nil
}

// rotate finishes the file that is being written, and tries again what the disk refused.
func (s *spool) rotate() error {
	s.Lock()
	defer s.Unlock()
	var refused error
	lines := s.waiting
	s.waiting, s.waitingBytes = nil, 0
	for _, line := range lines {
		if err := s.store(line); err != nil {
			refused = err
			s.wait(line)
		}
	}
	if err := s.finish(); err != nil {
		return err
	}
	return refused
}

func (s *spool) hasWaiting() bool {
	s.Lock()
	defer s.Unlock()
	return len(s.waiting) > 0
}

// takeOver goes on with what another spool could not store.
func (s *spool) takeOver(other *spool) {
	s.Lock()
	defer s.Unlock()
	s.waiting, s.waitingBytes, s.lost = other.waiting, other.waitingBytes, other.lost
}

var ofProcess = regexp.MustCompile(`-(\d{1,10})\.part$`)

// finished returns the finished files of every process, those of dead ones included, oldest first.
func (s *spool) finished() []string {
	entries, _ := os.ReadDir(s.folder)
	var found []string
	for _, entry := range entries {
		path := filepath.Join(s.folder, entry.Name())
		if match := ofProcess.FindStringSubmatch(entry.Name()); match != nil {
			about, err := entry.Info()
			pid, _ := strconv.Atoi(match[1])
			if err != nil || time.Since(about.ModTime()) < deadAfter || isAlive(pid) {
				continue
			}
			done := strings.TrimSuffix(path, ".part") + ".ndjson"
			if os.Rename(path, done) != nil {
				continue // another process was quicker
			}
			path = done
		}
		if strings.HasSuffix(path, ".ndjson") {
			found = append(found, path)
		}
	}
	sort.Strings(found)
	return found
}

func (s *spool) store(line []byte) error {
	if err := s.takeRoom(len(line)); err != nil {
		return err
	}
	now := time.Now()
	isOld := now.Sub(s.openedAt) > appendFor || now.Round(0).Sub(s.openedAt.Round(0)) > appendFor
	if s.file != nil && (isOld || s.size+len(line) > fileBytesMax) {
		if err := s.finish(); err != nil {
			return err
		}
	}
	if s.file == nil {
		if err := s.open(now); err != nil {
			return err
		}
	}
	written, err := s.file.Write(line)
	s.size += written
	if err != nil {
		_ = s.finish() // the line that was cut is no event, and stands in a file of its own
		return err
	}
	if s.lost.records > 0 {
		s.tellLost()
	}
	return nil
}

func (s *spool) open(now time.Time) error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	if err := checkPrivate(s.home); err != nil {
		return err
	}
	path := filepath.Join(s.folder, fmt.Sprintf("%s-%d.part", uuid7(), os.Getpid()))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.file, s.openedAt, s.size = file, now, 0
	return nil
}

func (s *spool) finish() error {
	if s.file == nil {
		return nil
	}
	path := s.file.Name()
	_ = s.file.Close()
	s.file = nil
	err := os.Rename(path, strings.TrimSuffix(path, ".part")+".ndjson")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // taken for a dead process's, whole
	}
	return err
}

func (s *spool) takeRoom(size int) error {
	if now := time.Now(); now.After(s.countAt) {
		s.used, s.countAt = 0, now.Add(countEvery)
		entries, _ := os.ReadDir(s.folder)
		for _, entry := range entries {
			if about, err := entry.Info(); err == nil && !entry.IsDir() {
				s.used += about.Size()
			}
		}
	}
	if s.used+int64(size) > s.bytesMax {
		return fmt.Errorf("the spool has reached its %d bytes", s.bytesMax)
	}
	s.used += int64(size)
	return nil
}

func (s *spool) wait(line []byte) {
	if s.waitingBytes+len(line) <= waitingBytesMax {
		s.waiting = append(s.waiting, line)
		s.waitingBytes += len(line)
		return
	}
	if s.lost.records == 0 {
		s.lost.from = time.Now()
	}
	s.lost.records++
	s.lost.bytes += len(line)
	if !strings.Contains(string(line), `"type":`) {
		s.lost.exchanges++
	}
}

func (s *spool) tellLost() {
	lost := s.lost
	s.lost = loss{}
	text, err := json.Marshal(map[string]any{
		"id": uuid7(), "source": source(), "type": "loss", "time": moment(lost.from), "ended_at": moment(time.Now()),
		"records": lost.records, "exchanges": lost.exchanges, "lost_bytes": lost.bytes,
	})
	if err == nil {
		if line := append(text, '\n'); s.store(line) != nil {
			s.lost = lost
		}
	}
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") }
