"""Files of shell lines, `#!/usr/bin/env llmos`: how they are read, and run as a process."""
