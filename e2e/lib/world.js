// Tenants with a grantd beside them: of e2e/world, and of `grantd demo --keep`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { until, waiting, within } from './until.js'

const grantd = process.env.GRANTD_BIN
const worldBinary = process.env.WORLD_BIN

// running are the processes to end, whatever happens.
const running = new Set()
process.on('exit', () => running.forEach((p) => p.kill('SIGKILL')))

function start (exe, args) {
  const child = spawn(exe, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.log = ''
  child.stderr.setEncoding('utf8').on('data', (text) => { child.log = (child.log + text).slice(-20_000) })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

// Site is a grantd whose page can be looked at.
class Site {
  constructor (child, admin) {
    this.child = child
    this.admin = admin
    this.url = `http://${admin}`
  }

  // get reads the JSON at a path of the admin listener.
  async get (path, headers = {}) {
    const res = await fetch(this.url + path, { headers, signal: AbortSignal.timeout(waiting) })
    if (!res.ok) throw new Error(`GET ${path}: ${res.status}`)
    return res.json()
  }

  // clients are all of them, of a small ledger.
  async clients () { return (await this.get('/api/v1/clients?limit=1000')).clients }

  // counts is how many clients are in each phase.
  async counts () {
    const counts = { ready: 0, pending: 0, blocked: 0, refused: 0, gone: 0 }
    for (const c of await this.clients()) counts[c.phase]++
    return counts
  }

  // settles waits until a client is no longer pending, and returns its phase.
  settles (id) {
    return until(`client ${id} to settle`, async () => {
      const { phase } = await this.get(`/api/v1/clients/${id}`)
      return phase !== 'pending' && phase
    })
  }

  // reaches waits until a client is in a phase.
  reaches (id, phase) {
    return until(`client ${id} to be ${phase}`, async () => (await this.get(`/api/v1/clients/${id}`)).phase === phase)
  }
}

// World is a Site that takes commands.
class World extends Site {
  constructor (child, place) {
    super(child, place.admin)
    this.public = place.public
    this.tenant = place.tenant
    this.pid = place.pid // of grantd, until it is killed
    this.asked = 0
    this.waiting = new Map()
  }

  async do (name, args = {}) {
    const id = ++this.asked
    const answered = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
    this.child.stdin.write(JSON.stringify({ id, do: name, ...args }) + '\n')
    const answer = await within(`the answer to ${name}`, waiting, answered)
    if (answer.error) throw new Error(answer.error)
    return answer.client_ids ?? []
  }

  // register registers a client, waits until it is in the phase, and returns
  // its id.
  async register (args = {}, phase = 'ready') {
    const [id] = await this.do('register', args)
    await this.reaches(id, phase)
    return id
  }

  async close () {
    if (this.child.exitCode !== null) return
    this.child.stdin.end()
    await within('the world to end', waiting, once(this.child, 'exit'))
  }
}

// openWorld starts a world. fill is how many clients its ledger begins with,
// env is added to grantd's environment.
export async function openWorld ({ fill = 0, env = {} } = {}) {
  const args = ['-grantd', grantd, '-fill', String(fill)]
  for (const [name, value] of Object.entries(env)) args.push('-env', `${name}=${value}`)
  const child = start(worldBinary, args)
  const lines = createInterface({ input: child.stdout })
  let world
  const up = new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the world ended with ${code}:\n${child.log}`)))
    lines.on('line', (line) => {
      const said = JSON.parse(line)
      if (!world) {
        world = new World(child, said)
        resolve(world)
        return
      }
      world.waiting.get(said.id)?.resolve(said)
      world.waiting.delete(said.id)
    })
  })
  return within('a world', waiting, up)
}

// Demo is what `grantd demo --keep` leaves up.
class Demo extends Site {
  constructor (child, admin, tenant) {
    super(child, admin)
    this.tenant = tenant
  }

  // register registers a client as the demo says one can, and returns its id.
  async register (name, callback = 'https://chatgpt.com/connector/oauth/mine') {
    const res = await fetch(`${this.tenant}/oidc/register`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ client_name: name, redirect_uris: [callback] }),
      signal: AbortSignal.timeout(waiting)
    })
    if (res.status !== 201) throw new Error(`register: ${res.status} ${await res.text()}`)
    return (await res.json()).client_id
  }

  async close () {
    if (this.child.exitCode !== null) return
    this.child.kill('SIGINT')
    await within('the demo to end', waiting, once(this.child, 'exit'))
  }
}

// openDemo starts the demo and waits until its tour is over.
export async function openDemo () {
  const child = start(grantd, ['demo', '--keep'])
  let said = ''
  const up = new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${said}\n${child.log}`)))
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
      const admin = said.match(/curl http:\/\/(\S+)\/api\/v1\/clients/)
      const tenant = said.match(/curl (http:\S+)\/oidc\/register/)
      if (admin && tenant) resolve(new Demo(child, admin[1], tenant[1]))
    })
  })
  return within('the demo', waiting, up)
}
