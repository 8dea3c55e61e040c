// Waiting on conditions. A machine that has other things to do may take minutes
// for what takes another a moment, and a wait that is over early costs nothing.
import { setTimeout as pause } from 'node:timers/promises'

// waiting bounds a wait for one thing, and patience a test.
export const waiting = 300_000 // ms
export const patience = 900_000

// until asks again and again until the answer is true, and returns it. What is
// thrown meanwhile counts as no.
export async function until (what, ask, { ms = waiting } = {}) {
  const end = Date.now() + ms
  let last
  for (;;) {
    try {
      const answer = await ask()
      if (answer) return answer
      last = answer
    } catch (err) {
      last = err
    }
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}; last: ${last?.stack ?? JSON.stringify(last)}`)
    await pause(20)
  }
}

// within is the promise, but fails when it takes longer.
export async function within (what, ms, promise) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
