// All tests, in one process, so that they share a browser. What takes longest
// to begin, the demo, begins with the others and is looked at last.
import './test/access.test.js'
import './test/client.test.js'
import './test/degraded.test.js'
import './test/hostile.test.js'
import './test/live.test.js'
import './test/looks.test.js'
import './test/large.test.js'
import './test/demo.test.js'
