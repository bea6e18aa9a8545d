module farebox.dev/farebox

go 1.19
