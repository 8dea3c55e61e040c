// Takes the pictures of the status page, of the demo after its tour, for
// scripts/screenshots: node e2e/screenshots.js FOLDER.
import { openDemo } from './lib/world.js'
import { browser, look } from './lib/browser.js'
import { isLive, showsCount } from './lib/page.js'

const folder = process.argv[2]

// The window of each picture shows the page from its top.
const pictures = [
  { name: 'status-desktop-light', width: 1200, height: 1100 },
  { name: 'status-desktop-dark', width: 1200, height: 1560, scheme: 'dark' },
  { name: 'status-tablet', width: 820, height: 1500 },
  { name: 'status-phone', width: 390, height: 1900 },
  { name: 'client-page', width: 1200, height: 1250, client: true }
]

const demo = await openDemo()
try {
  // More of them, for the chart.
  for (let n = 1; n <= 12; n++) await demo.settles(await demo.register('ChatGPT', `https://chatgpt.com/connector/oauth/picture${n}`))
  const { ready } = await demo.counts()
  const [first] = (await demo.clients()).filter((c) => c.phase === 'ready').sort((a, b) => a.first_seen_at < b.first_seen_at ? -1 : 1)
  for (const p of pictures) {
    await look(demo, { ...p, path: p.client ? `/clients/${first.client_id}` : '/' }, async (page) => {
      await isLive(page)
      if (!p.client) {
        await showsCount(page, 'ready', ready)
        await page.locator('#capacity .bar').first().waitFor({ timeout: 120_000 })
      }
      await page.screenshot({ path: `${folder}/${p.name}.png`, animations: 'disabled' })
    })
  }
} finally {
  await demo.close()
  await (await browser()).close()
}
